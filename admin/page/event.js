// An event as a row that opens. Everything comes from clients and applications, so it is put in as text only.
import { el, plural, short } from './dom.js';

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3 });

/** The row of an event; its body is made when it is opened. find is called with a value that was clicked. */
export function row(event, find) {
  const about = shape[event.kind]?.(event) ?? { title: event.kind };
  const facts = [
    ['hub', event.hub], ['user', event.user], ['connection', event.connection], ['trace', event.trace], ['node', event.node],
  ].filter(([, value]) => value);
  const open = ({ target }) => {
    if (target.open && target.childElementCount === 1) target.append(body(about, facts, find));
  };
  return el('li', { class: 'event', 'data-kind': event.kind, 'data-tone': about.tone },
    el('details', { ontoggle: open },
      el('summary', {},
        el('time', { datetime: event.time }, clock.format(new Date(event.time))),
        el('span', { class: 'kind' }, names[event.kind] ?? event.kind),
        el('span', { class: 'title' }, el('b', {}, about.title), about.rest ? ' ' + about.rest : null),
        about.result ? el('span', { class: 'result' }, about.result) : null,
        el('span', { class: 'facts' }, ...inShort(event).map(([name, value]) => el('span', { title: `${name} ${value}` }, short(value)))),
      ),
    ));
}

/** The hub, and whose event it is. */
function inShort({ hub, user, connection }) {
  const who = user ? ['user', user] : ['connection', connection];
  return [['hub', hub], who].filter(([, value]) => value);
}

const names = { connection: 'client', send: 'send', webhook: 'webhook', server: 'server', lost: 'lost' };

/** What each kind of event shows: title, rest of the line, result, tone, facts and texts of the body. */
const shape = {
  connection({ what, client: c }) {
    const closed = what === 'closed';
    const good = !closed || c.reason === 'Normal' || c.reason === 'ServiceReload';
    return {
      title: what === 'present' ? 'connected before' : what === 'opened' ? 'connected' : 'disconnected',
      rest: c.text, result: closed ? c.reason : c.transport, tone: good ? (closed ? 'quiet' : 'good') : 'bad',
      facts: [['transport', c.transport], ['protocol', c.protocol], ['address', c.remote], ['reason', c.reason], ['text', c.text]],
    };
  },
  send({ send: s }) {
    const to = s.to === 'all' ? 'everybody' : `${s.to.slice(0, -1)} ${s.names?.join(', ') ?? ''}${s.more ? ` and ${s.more} more` : ''}`;
    return {
      title: s.method || `${s.bytes} bytes`, rest: `${s.arguments ? argumentsOf(s.arguments) : ''} → ${to}`,
      result: s.matched === 0 ? 'nobody' : plural(s.matched, 'connection') + (s.dropped ? `, ${s.dropped} dropped` : ''),
      tone: s.matched === 0 ? 'warn' : s.dropped ? 'bad' : 'good',
      facts: [['sent by', s.by], ['to', to], ['matched', s.matched], ['written', s.written], ['queued', s.queued], ['dropped', s.dropped],
        ['left out', s.except || null], ['bytes', s.bytes]],
      texts: [['arguments', s.arguments]],
    };
  },
  webhook({ what, webhook: w }) {
    const skipped = what === 'skipped';
    return {
      title: w.event, rest: `${w.category === 'messages' ? argumentsIn(w.request) : ''} → ${skipped ? 'no webhook' : w.error || w.url}`,
      result: skipped ? w.result : `${w.status || w.result}${w.status && w.result !== 'ok' ? ' ' + w.result : ''} · ${milliseconds(w.took)}`,
      tone: skipped ? 'warn' : w.result === 'ok' ? 'good' : 'bad',
      facts: [['category', w.category], ['url', w.url], ['result', w.result], ['status', w.status], ['error', w.error], ['took', skipped ? null : milliseconds(w.took)]],
      texts: [['request', w.request], ['answer', skipped ? null : w.answer || '(empty)']],
    };
  },
  server({ what, server: s }) {
    const closed = what === 'closed';
    return {
      title: what === 'present' ? 'connected before' : closed ? 'disconnected' : 'connected',
      rest: s.agent, result: closed ? s.reason : s.kind, tone: closed ? (s.reason === 'ClosedByServer' ? 'quiet' : 'bad') : 'good',
      facts: [['id', s.id], ['kind', s.kind], ['software', s.agent], ['address', s.remote], ['reason', s.reason], ['clients', closed ? s.clients ?? 0 : null]],
    };
  },
  lost({ lost }) {
    return { title: plural(lost.events, 'event') + ' not shown', result: lost.reason, tone: 'bad', facts: [['reason', lossText[lost.reason] ?? lost.reason]] };
  },
};

const lossText = {
  SlowWatcher: 'This page takes events more slowly than they come. Watch one hub: /inspector?hub=NAME',
  TooMany: 'More happens in a second than is shown. Watch one hub: /inspector?hub=NAME',
  TooManyPresent: 'More connections were there than are listed.',
};

/** The arguments as in a call, shortened for one line. */
const argumentsOf = (array) => (array.length > 160 ? array.slice(0, 160) + '…' : array).replace(/^\[/, '(').replace(/\]$/, ')');

/** The arguments of the invocation that a webhook got. */
function argumentsIn(request) {
  try {
    const record = JSON.parse(request);
    return argumentsOf(JSON.stringify(record.arguments ?? record[4] ?? [])); // MessagePack records are arrays
  } catch {
    return '(…)';
  }
}

function milliseconds(nanoseconds = 0) {
  const ms = nanoseconds / 1e6;
  return ms < 1 ? '<1 ms' : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function body(about, facts, find) {
  const list = el('dl', {});
  for (const [name, value] of facts) {
    const button = el('button', { type: 'button', class: 'value', title: 'Show only what contains this', onclick: () => find(value) }, value);
    list.append(el('div', {}, el('dt', {}, name), el('dd', {}, button)));
  }
  for (const [name, value] of about.facts ?? []) {
    if (value !== undefined && value !== null && value !== '') list.append(el('div', {}, el('dt', {}, name), el('dd', {}, String(value))));
  }
  const texts = (about.texts ?? []).filter(([, text]) => text).map(([name, text]) =>
    el('figure', {}, el('figcaption', {}, name), el('pre', { tabindex: 0 }, pretty(text))));
  return el('div', { class: 'body' }, list, texts.length ? el('div', { class: 'texts' }, ...texts) : null);
}

/** JSON with line breaks, anything else as it is. */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
