// An event of the live trace, as a row that opens. All its texts come from clients and applications.
import { useState } from 'preact/hooks';
import { plural, short, time, took } from './format.js';
import { Facts, Text } from './ui.jsx';

const kinds = { connection: 'client', send: 'send', webhook: 'webhook', server: 'server', lost: 'lost' };

export function EventRow({ event, find }) {
  const [open, set] = useState(false);
  const about = (shape[event.kind] ?? other)(event);
  const who = event.user || event.connection;
  return (
    <li class={`event tone-${about.tone ?? 'quiet'}`} data-kind={event.kind}>
      <details open={open} onToggle={(e) => set(e.currentTarget.open)}>
        <summary>
          <time dateTime={event.time}>{time(event.time)}</time>
          <span class="kind">{kinds[event.kind] ?? event.kind}</span>
          <span class="title"><b>{about.title}</b> {about.rest}</span>
          <span class="result">{about.result}</span>
          <span class="about">{event.hub && <span>{event.hub}</span>}{who && <span title={who}>{short(who)}</span>}</span>
        </summary>
        {open && (
          <div class="body">
            <Facts list={[
              ...['hub', 'user', 'connection', 'trace'].map((name) => [name, event[name] && <button type="button" class="link" title="Follow only this" onClick={() => find(name, event[name])}>{event[name]}</button>]),
              ['node', event.node],
              ...(about.facts ?? []),
            ]} />
            {about.texts && <div class="texts">{about.texts.map(([name, text]) => <Text key={name} name={name} text={text} />)}</div>}
          </div>
        )}
      </details>
    </li>
  );
}

/** A reason, with a link to its cause and cure. The list is the one of the page's lists that it is of. */
function Reason({ list, name }) {
  return <a href={`../help/errors#${list}-${name.toLowerCase().replaceAll('_', '-')}`}>{name}</a>;
}

const shape = {
  connection({ what, client: c = {} }) {
    const closed = what === 'closed';
    const good = !closed || c.reason === 'Normal' || c.reason === 'ServiceReload';
    return {
      title: what === 'present' ? 'connected before' : what === 'opened' ? 'connected' : 'disconnected',
      rest: c.text, result: closed ? c.reason : c.transport, tone: good ? (closed ? 'quiet' : 'good') : 'bad',
      facts: [['transport', c.transport], ['protocol', c.protocol], ['address', c.remote], ['reason', c.reason && <Reason list="close" name={c.reason} />], ['text', c.text]],
    };
  },
  send({ send: s }) {
    const to = s.to === 'all' ? 'everybody' : `${s.to.slice(0, -1)} ${s.names?.join(', ') ?? ''}${s.more ? ` and ${s.more} more` : ''}`;
    return {
      title: s.method || `${s.bytes} bytes`, rest: `${call(s.arguments)} → ${to}`,
      result: s.matched === 0 ? 'nobody' : plural(s.matched, 'connection') + (s.dropped ? `, ${s.dropped} dropped` : ''),
      tone: s.matched === 0 ? 'warn' : s.dropped ? 'bad' : 'good',
      facts: [['sent by', s.by], ['to', to], ['matched', s.matched], ['written', s.written], ['queued', s.queued], ['dropped', s.dropped], ['left out', s.except || null], ['bytes', s.bytes]],
      texts: [['arguments', s.arguments]],
    };
  },
  webhook({ what, webhook: w }) {
    const skipped = what === 'skipped';
    return {
      title: w.event, rest: `→ ${skipped ? 'no webhook' : w.error || w.url || ''}`,
      result: skipped ? w.result : `${w.status || w.result}${w.status && w.result !== 'ok' ? ' ' + w.result : ''} · ${took(w.took)}`,
      tone: skipped ? 'warn' : w.result === 'ok' ? 'good' : 'bad',
      facts: [['category', w.category], ['url', w.url], ['result', w.result && <Reason list={skipped ? 'skipped' : 'webhook'} name={w.result} />], ['status', w.status], ['error', w.error], ['took', skipped ? null : took(w.took)]],
      texts: [['request', w.request], ['answer', skipped ? null : w.answer || '(empty)']],
    };
  },
  server({ what, server: s }) {
    const closed = what === 'closed';
    return {
      title: what === 'present' ? 'connected before' : closed ? 'disconnected' : 'connected',
      rest: s.agent, result: closed ? s.reason : s.kind, tone: closed ? (s.reason === 'ClosedByServer' ? 'quiet' : 'bad') : 'good',
      facts: [['id', s.id], ['kind', s.kind], ['software', s.agent], ['address', s.remote], ['reason', s.reason && <Reason list="server-closed" name={s.reason} />], ['clients', closed ? s.clients ?? 0 : null]],
    };
  },
  lost({ lost }) {
    return { title: `${plural(lost.events, 'event')} not shown`, rest: lossText[lost.reason] ?? '', result: lost.reason, tone: 'bad', facts: [['reason', lost.reason]] };
  },
};

/** An event of a kind that this page does not know. */
const other = (event) => ({ title: event.what ?? event.kind, texts: [['event', JSON.stringify(event)]] });

const lossText = {
  SlowWatcher: 'This page takes events more slowly than they come: use a filter.',
  TooMany: 'More happens in a second than is shown: use a filter.',
  TooManyPresent: 'More connections were there than are listed.',
};

/** Arguments as in a call, for one line. */
const call = (array = '[]') => (array.length > 160 ? array.slice(0, 160) + '…' : array).replace(/^\[/, '(').replace(/\]$/, ')');
