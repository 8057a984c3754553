// A client in this page: connect, call, and see what the application was asked.
import { useEffect, useRef, useState } from 'preact/hooks';
import { post } from '../api.js';
import { TestClient } from '../client.js';
import { EventRow } from '../event.jsx';
import { time } from '../format.js';
import { watch } from '../live.js';
import { argumentsOf, SendForm } from '../send.jsx';
import { Card, Empty, Field, Form, Text } from '../ui.jsx';
import { HubField } from './explore.jsx';

const kinds = { 1: 'call', 2: 'item', 3: 'answer', 7: 'close' };

export function TryIt() {
  const [hub, setHub] = useState('chat');
  const [user, setUser] = useState('tester');
  const [state, setState] = useState({ name: 'closed' });
  const [lines, setLines] = useState([]);
  const [target, setTarget] = useState({ to: 'all', name: '' });
  const client = useRef(null);
  const open = state.name === 'open';
  const add = (line) => setLines((old) => [{ ...line, time: new Date().toISOString(), number: (old[0]?.number ?? 0) + 1 }, ...old].slice(0, 200));
  useEffect(() => () => client.current?.close(), []);
  const connect = async () => {
    const { url } = await post('/api/client', { hub, user });
    setState({ name: 'connecting' });
    client.current = new TestClient(url, {
      state: (name, text) => { setState({ name, text }); add({ kind: 'state', text: name === 'open' ? 'connected' : `closed ${text ?? ''}` }); },
      record: (record) => add({ kind: 'from', record }),
    });
  };
  const say = async (v) => {
    if (!open) throw new Error('Connect the client first.');
    add({ kind: 'to', record: client.current.call(v.method, argumentsOf(v.arguments), v.answer === 'on') });
  };
  return (
    <div class="columns even">
      <div class="stack">
        <Card title="1. A client" note={<span class={`state ${open ? 'live' : ''}`} data-state={state.name}><i class="dot" />{state.name}</span>}>
          <Form submit={open ? 'Disconnect' : 'Connect'} onSubmit={async () => (open ? client.current.close() : connect())}>
            <div class="pair"><HubField value={hub} onChange={setHub} />
              <Field label="User">{(f) => <input {...f} value={user} onInput={(e) => setUser(e.target.value)} />}</Field></div>
          </Form>
        </Card>
        <Card title="2. It calls the application">
          <Form submit="Call" onSubmit={say}>
            <Field label="Method">{(f) => <input {...f} name="method" required defaultValue="echo" disabled={!open} />}</Field>
            <Field label="Arguments" hint="One on each line: JSON, or plain words.">{(f) => <textarea {...f} name="arguments" rows="2" defaultValue="hello" disabled={!open} />}</Field>
            <label class="check"><input type="checkbox" name="answer" defaultChecked disabled={!open} /> It wants an answer</label>
          </Form>
        </Card>
        <Card title="3. The application sends"><SendForm hub={hub} target={target} onTarget={setTarget} /></Card>
      </div>
      <div class="stack">
        <Card title="What the client sees" tools={<button type="button" onClick={() => setLines([])}>Clear</button>}>
          {lines.length === 0 ? <Empty>Connect the client.</Empty> : <ol class="events lines" role="log" aria-label="Records of the client">{lines.map((line) => <Line key={line.number} line={line} />)}</ol>}
        </Card>
        <Webhooks hub={hub} />
      </div>
    </div>
  );
}

function Line({ line: { kind, record, text, time: at } }) {
  return (
    <li class={`event tone-${kind === 'from' ? (record.error ? 'bad' : 'good') : 'quiet'}`} data-from={kind}>
      <details>
        <summary>
          <time dateTime={at}>{time(at)}</time>
          <span class="kind">{kind === 'to' ? '→' : kind === 'from' ? '←' : '•'} {record ? kinds[record.type] ?? record.type : ''}</span>
          <span class="title">{record ? <><b>{record.target ?? record.error ?? ''}</b> {JSON.stringify(record.arguments ?? record.result ?? record.item ?? '')}</> : text}</span>
          <span class="result" /><span class="about" />
        </summary>
        {record && <div class="body"><Text name="record" text={JSON.stringify(record)} /></div>}
      </details>
    </li>
  );
}

function Webhooks({ hub }) {
  const [events, setEvents] = useState([]);
  useEffect(() => {
    setEvents([]);
    if (!hub) return undefined;
    let number = 0;
    return watch([['kind', 'webhook'], ['hub', hub]], { event: (event) => setEvents((old) => [{ ...event, number: ++number }, ...old].slice(0, 100)) });
  }, [hub]);
  return (
    <Card title="What the webhook received" note="hub servers get their clients' calls themselves">
      {events.length === 0 ? <Empty>Nothing yet. Start the gateway with <code>--upstream echo</code> to have calls answered without an application.</Empty>
        : <ol class="events">{events.map((event) => <EventRow key={event.number} event={event} find={(name, value) => { location.hash = `#/trace?${new URLSearchParams({ [name]: value })}`; }} />)}</ol>}
    </Card>
  );
}
