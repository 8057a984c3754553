// What happens, as it happens.
import { useEffect, useRef, useState } from 'preact/hooks';
import { get } from '../api.js';
import { EventRow } from '../event.jsx';
import { watch } from '../live.js';
import { plural, pretty, time } from '../format.js';
import { Card, Empty, Field, Missing, useAsked } from '../ui.jsx';

const kinds = [['connection', 'clients'], ['send', 'sends'], ['webhook', 'webhooks'], ['server', 'hub servers']];
const most = 500;

export function Trace({ query }) {
  const [filter, setFilter] = useState({ hub: '', user: '', connection: '', trace: '', ...query });
  const [shown, setShown] = useState(new Set(kinds.map(([name]) => name)));
  const find = (name, value) => setFilter((f) => ({ ...f, [name]: value }));
  const toggle = (name) => setShown((old) => {
    const next = new Set(old);
    if (!next.delete(name)) next.add(name);
    return next;
  });
  const asked = Object.entries(filter).filter(([, value]) => value);
  return (
    <div class="stack">
      <Card>
        <div class="bar">
          {['hub', 'user', 'connection', 'trace'].map((name) => (
            <Field key={name} label={name[0].toUpperCase() + name.slice(1)}>{(f) => <input {...f} value={filter[name]} onChange={(e) => find(name, e.target.value.trim())} spellcheck={false} autocapitalize="off" />}</Field>
          ))}
          <div class="tabs" role="group" aria-label="Kinds of events">
            {kinds.map(([name, title]) => <button key={name} type="button" data-kind={name} aria-pressed={shown.has(name)} onClick={() => toggle(name)}>{title}</button>)}
          </div>
          {asked.length > 0 && <button type="button" onClick={() => setFilter({ hub: '', user: '', connection: '', trace: '' })}>No filter</button>}
        </div>
      </Card>
      <Live asked={asked} shown={shown} find={find} />
      <Recorded asked={asked} />
    </div>
  );
}

function Live({ asked, shown, find }) {
  const [events, setEvents] = useState([]);
  const [state, setState] = useState('waiting');
  const [held, hold] = useState(false);
  const waiting = useRef([]);
  const key = JSON.stringify([asked, [...shown].sort()]);
  useEffect(() => {
    setEvents([]);
    let number = 0;
    if (shown.size === 0) {
      setState('waiting');
      return undefined;
    }
    const query = [...asked, ...[...shown].map((kind) => ['kind', kind])];
    const stop = watch(query, {
      state: setState,
      event: (event) => waiting.current.push({ ...event, number: ++number }),
    });
    return () => { stop(); waiting.current = []; };
  }, [key]);
  useEffect(() => {
    if (held) return undefined;
    const timer = setInterval(() => { // what comes in between is drawn at once
      if (waiting.current.length === 0) return;
      const news = waiting.current.splice(0).reverse();
      setEvents((old) => [...news, ...old].slice(0, most));
    }, 200);
    return () => clearInterval(timer);
  }, [held]);
  return (
    <Card title="Live" note={<span class={`state ${state}`} data-state={state}><i class="dot" />{state}</span>}
      tools={<><button type="button" aria-pressed={held} onClick={() => hold(!held)}>{held ? 'Go on' : 'Pause'}</button><button type="button" onClick={() => setEvents([])}>Clear</button></>}>
      {events.length === 0 ? <Empty>{shown.size === 0 ? 'Choose what to see.' : state === 'live' ? 'Nothing has happened yet. Connect a client, or send a message.' : 'Connecting …'}</Empty>
        : <ol class="events" role="log" aria-label="Events">{events.map((event) => <EventRow key={event.number} event={event} find={find} />)}</ol>}
    </Card>
  );
}

// The browser's local time, as the gateway reads times.
const instant = (local) => local && new Date(local).toISOString();

/** What the flight recorders of all nodes have of the filter, of a group, and of a time. */
function Recorded({ asked }) {
  const [query, setQuery] = useState(null);
  const [more, setMore] = useState({ group: '', since: '', until: '' });
  const narrow = (name, value) => setMore((m) => ({ ...m, [name]: value }));
  const search = () => {
    const given = { group: more.group, since: instant(more.since), until: instant(more.until) };
    setQuery([...asked, ...Object.entries(given).filter(([, value]) => value)]);
    found.again();
  };
  const path = query && '/api/trace?' + new URLSearchParams([...query, ['limit', '200']]);
  const found = useAsked(async () => path && get(path), [path]);
  const events = found.value?.events ?? [];
  return (
    <Card title="Recorded" note="the last events of all nodes, without their contents"
      tools={<button type="button" onClick={search}>Search</button>}>
      <div class="bar">
        <Field label="Group">{(f) => <input {...f} value={more.group} onChange={(e) => narrow('group', e.target.value.trim())} spellcheck={false} autocapitalize="off" />}</Field>
        <Field label="From">{(f) => <input {...f} type="datetime-local" step="1" value={more.since} onChange={(e) => narrow('since', e.target.value)} />}</Field>
        <Field label="Until">{(f) => <input {...f} type="datetime-local" step="1" value={more.until} onChange={(e) => narrow('until', e.target.value)} />}</Field>
      </div>
      {!query && <Empty>Search shows what has happened, by the filter above, a group and a time.</Empty>}
      {query && (found.error || !found.value) && <Missing asked={found} what="the recorders" />}
      {query && !found.error && found.value && events.length === 0 && <Empty>Nothing that matches was recorded.</Empty>}
      {(found.value?.nodes ?? []).filter((n) => n.error).map((n) => <p key={n.node} class="warn pad">{n.node}: {n.error}</p>)}
      {events.length > 0 && (
        <ol class="events">
          {events.map((event, i) => (
            <li class="event" key={i}><details><summary>
              <time dateTime={event.time}>{time(event.time)}</time><span class="kind">{event.kind}</span>
              <span class="title"><b>{event.method ?? event.what}</b> {recorded(event)}</span><span class="result">{event.fate ? `${plural(event.fate.matched, 'connection')}${event.fate.dropped ? `, ${event.fate.dropped} dropped` : ''}` : event.reason ?? event.status}</span>
              <span class="about">{event.hub && <span>{event.hub}</span>}</span>
            </summary><div class="body"><pre tabIndex={0}>{pretty(event)}</pre></div></details></li>
          ))}
        </ol>
      )}
    </Card>
  );
}

const recorded = (event) => ['user', 'connection', 'group', 'to', 'text', 'node'].map((name) => event[name]).filter((v) => typeof v === 'string').join(' · ');
