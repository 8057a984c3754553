// What webhooks were asked and answered, what waits, and what was given up.
import { useEffect, useState } from 'preact/hooks';
import { ask, get } from '../api.js';
import { date } from '../format.js';
import { EventRow } from '../event.jsx';
import { watch } from '../live.js';
import { Action, Card, Empty, Facts, Missing, Text, useAsked } from '../ui.jsx';

export function Deliveries() {
  return (
    <div class="stack">
      <Letters />
      <Waiting />
      <Calls />
    </div>
  );
}

/** Whoever has no outbox is told so by 404. */
const orOff = (error) => (/--upstream-outbox/.test(error ?? '') ? 'Without --upstream-outbox events are delivered once and not kept.' : error);

function Letters() {
  const list = useAsked(() => get('/deliveries?limit=200'), []);
  const letters = list.value?.deliveries ?? [];
  return (
    <Card title="Dead letters" note="events that were given up" tools={<button type="button" onClick={list.again}>Refresh</button>}>
      {list.error ? <Empty>{orOff(list.error)}</Empty> : !list.value ? <Missing asked={list} what="the dead letters" /> : letters.length === 0 && <Empty>There are none.</Empty>}
      {letters.length > 0 && <ol class="events">{letters.map((d) => <Letter key={d.number} letter={d} again={list.again} />)}</ol>}
    </Card>
  );
}

function Letter({ letter: d, again }) {
  const [open, set] = useState(false);
  const whole = useAsked(async () => open && get(`/deliveries/${d.number}`), [open]);
  const letter = whole.value || d;
  return (
    <li class="event tone-bad">
      <details onToggle={(e) => set(e.currentTarget.open)}>
        <summary>
          <time dateTime={d.died ?? d.since}>{date(d.died ?? d.since)}</time><span class="kind">{d.category}</span>
          <span class="title"><b>{d.name}</b> {d.detail}</span><span class="result">{d.reason}</span>
          <span class="about"><span>{d.hub}</span>{d.user && <span>{d.user}</span>}</span>
        </summary>
        {open && (
          <div class="body">
            <Facts list={[['number', d.number], ['event', d.event], ['connection', d.connection], ['since', date(d.since)], ['attempts', d.attempts], ['result', d.result], ['status', d.status], ['detail', d.detail]]} />
            <div class="texts"><Text name="request" text={letter.body} /><Text name="response" text={letter.answer} /></div>
            {d.resendable && <Action class="main" onAct={async () => { await ask('POST', `/deliveries/${d.number}/resend`, {}); again(); }}>Send again</Action>}
          </div>
        )}
      </details>
    </li>
  );
}

function Waiting() {
  const list = useAsked(() => get('/deliveries/waiting?limit=100'), []);
  const waiting = list.value?.deliveries ?? [];
  if (list.error) return null;
  return (
    <Card title="Waiting" note="events that are still tried" tools={<button type="button" onClick={list.again}>Refresh</button>}>
      {!list.value ? <Missing asked={list} what="what waits" /> : waiting.length === 0 && <Empty>Nothing waits.</Empty>}
      {waiting.length > 0 && (
        <div class="scroll"><table class="cards"><thead><tr><th scope="col">Event</th><th scope="col">Hub</th><th scope="col">User</th><th scope="col">Since</th><th scope="col">Node</th></tr></thead>
          <tbody>{waiting.map((d) => <tr key={d.event}><th scope="row">{d.category}/{d.name}</th><td data-name="Hub">{d.hub}</td><td data-name="User">{d.user}</td><td data-name="Since">{date(d.since)}</td><td data-name="Node">{d.node}</td></tr>)}</tbody></table></div>
      )}
    </Card>
  );
}

/** The calls of webhooks as they happen, with request and answer. */
function Calls() {
  const [events, setEvents] = useState([]);
  useEffect(() => {
    let number = 0;
    return watch([['kind', 'webhook']], { event: (event) => setEvents((old) => [{ ...event, number: ++number }, ...old].slice(0, 200)) });
  }, []);
  return (
    <Card title="Calls" note="live, since this page was opened">
      {events.length === 0 ? <Empty>No webhook has been called since.</Empty>
        : <ol class="events">{events.map((event) => <EventRow key={event.number} event={event} find={(name, value) => { location.hash = `#/trace?${new URLSearchParams({ [name]: value })}`; }} />)}</ol>}
    </Card>
  );
}
