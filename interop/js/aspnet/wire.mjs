// Requests as they are on the wire.
import assert from 'node:assert/strict';
import { WebSocket } from 'ws';
import { Inbox, until, within } from '../lib/wait.mjs';
import { Raw } from './raw.mjs';

const commands = ['negotiate', 'connect', 'start', 'send', 'poll', 'reconnect', 'ping', 'abort'];

async function negotiation(stand) {
  const raw = await Raw.open(stand);
  const { ConnectionToken, ConnectionId, ProtocolVersion, ...fixed } = raw.answer;
  assert.deepEqual(fixed, {
    Url: stand.path, KeepAliveTimeout: 20, DisconnectTimeout: 30, ConnectionTimeout: 110, TryWebSockets: true, TransportConnectTimeout: 5, LongPollDelay: 0,
  });
  for (const text of [ConnectionToken, ConnectionId, ProtocolVersion]) assert.match(text, /./);
  const answer = await raw.call('negotiate', { method: 'POST', bare: true, body: '' });
  assert.deepEqual(Object.keys(await answer.json()), Object.keys(raw.answer));
  assert.equal(answer.headers.get('content-type').toLowerCase(), 'application/json; charset=utf-8');
  assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
  for (const [announced, answered] of [['1.5', '1.5'], ['2.0', '2.0'], ['2.1', stand.self ? '2.0' : '2.1'], ['3.0', stand.self ? '2.0' : '2.1']]) {
    assert.equal((await (await raw.call('negotiate', { bare: true, query: { clientProtocol: announced } })).json()).ProtocolVersion, answered);
  }
}

async function pings(stand) {
  const raw = await Raw.open(stand);
  const ping = (headers) => fetch(`${stand.endpoint}${stand.path}/ping?user=x`, { headers });
  assert.deepEqual(await (await ping(raw.headers)).json(), { Response: 'pong' });
  if (stand.self) return;
  assert.equal((await ping({})).status, 401);
  assert.equal((await ping({ Authorization: 'Bearer x.y.z' })).status, 401);
}

async function preflights(stand) {
  for (const command of commands) {
    const answer = await fetch(`${stand.endpoint}/aspnetclient/${command}?clientProtocol=2.1`, {
      method: 'OPTIONS',
      headers: { Origin: 'http://app.example', 'Access-Control-Request-Method': 'POST', 'Access-Control-Request-Headers': 'authorization' },
    });
    assert.equal(answer.status, 204, command);
    assert.equal(answer.headers.get('access-control-allow-origin'), 'http://app.example', command);
    assert.equal(answer.headers.get('access-control-allow-credentials'), 'true', command);
    assert.match(answer.headers.get('access-control-allow-headers'), /authorization/i, command);
    assert.match(answer.headers.get('access-control-allow-methods'), /POST/, command);
  }
  // Refusals can be read from another origin, too.
  const refusal = await fetch(`${stand.endpoint}/aspnetclient/start`, { headers: { Origin: 'http://app.example' } });
  assert.equal(refusal.status, 401);
  assert.equal(refusal.headers.get('access-control-allow-origin'), 'http://app.example');
}

async function refusals(stand) {
  const [raw, other] = await Promise.all([Raw.open(stand, { fakeuser: 'ann' }), Raw.open(stand, { fakeuser: 'bob' })]);
  const refused = async (status, text, command, options) => {
    const answer = await raw.call(command, options);
    assert.equal(answer.status, status, `${command} ${JSON.stringify(options)}`);
    const body = await answer.text();
    if (text instanceof RegExp) assert.match(body, text);
    else assert.equal(body, text);
  };
  await refused(400, 'Protocol error: Unknown transport.', 'connect', { transport: 'pigeon' });
  await refused(400, 'Protocol error: Unknown transport.', 'connect', {});
  await refused(400, 'Protocol error: Missing connection token.', 'connect', { transport: 'longPolling', bare: true });
  await refused(400, 'The ConnectionId is in the incorrect format.', 'connect', { transport: 'longPolling', query: { connectionToken: 'forged' } });
  await refused(403, /^Unrecognized user identity\./, 'connect', { transport: 'longPolling', query: { connectionToken: other.token } });
  await refused(400, 'Not a valid web socket request.', 'connect', { transport: 'webSockets' });
  if (!stand.self) await refused(400, 'Protocol error: Unknown transport.', 'connect', { transport: 'foreverFrame', query: { frameId: '1' } });
}

/** Reads a body as it comes. */
async function* textOf(answer) {
  let text = '';
  for await (const chunk of answer.body) yield (text += Buffer.from(chunk).toString());
}

async function reads(answer, wanted) {
  for await (const text of textOf(answer)) if (wanted.test(text)) return text;
  return assert.fail('the body has ended');
}

async function serverSentEvents(stand) {
  const raw = await Raw.open(stand);
  const abort = new AbortController();
  const answer = await raw.call('connect', { transport: 'serverSentEvents', signal: abort.signal, headers: { ...raw.headers, Accept: 'text/event-stream' } });
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type'), /^text\/event-stream/);
  assert.match(await reads(answer, /"M":\[\]}\r?\n\r?\n$/), /^data: initialized(\r?\n){2}data: {"C":"[^"]+","S":1,"M":\[\]}(\r?\n){2}$/);
  abort.abort();
}

/** Sends of clients that the JavaScript library does not write: C# has the token in the header everywhere, and bodies without a type. */
async function othersSend(stand) {
  const raw = await Raw.open(stand);
  const query = { connectionToken: raw.token, transport: 'webSockets', clientProtocol: '1.4' };
  const url = `${stand.endpoint.replace('http', 'ws')}${stand.path}/connect?${new URLSearchParams(query)}&connectionData=[%7B%22Name%22:%22ChatHub%22%7D]&&noCache=1`;
  const socket = new WebSocket(url, { headers: raw.headers });
  const texts = new Inbox('a text');
  socket.on('message', (text) => texts.put(JSON.parse(text)));
  assert.equal((await texts.next()).S, 1);
  socket.send(JSON.stringify({ H: 'ChatHub', M: 'Echo', A: ['x'], I: '7' }));
  assert.deepEqual(await texts.next(), { R: 'x', I: '7' });
  const ended = new Promise((resolve) => socket.on('close', resolve));
  assert.equal((await raw.call('abort', { method: 'POST', transport: 'webSockets', headers: raw.headers })).status, 200);
  await within(20_000, 'the WebSocket ends after /abort', ended);
}

/** The poll that is held ends when another one comes, and by /abort. */
async function polls(stand) {
  const raw = await Raw.open(stand);
  const longPolling = { method: 'POST', transport: 'longPolling' };
  const poll = async (messageId) => (await raw.call('poll', { ...longPolling, body: `messageId=${encodeURIComponent(messageId)}` })).json();
  const init = await (await raw.call('connect', { ...longPolling, body: '' })).json();
  assert.deepEqual([init.S, init.M], [1, []]);
  const first = poll(init.C);
  await raw.call('start', { transport: 'longPolling' });
  const send = await raw.call('send', { ...longPolling, extra: '&&', body: `data=${encodeURIComponent('{"H":"chathub","M":"EchoBack","A":["x"],"I":1}')}` });
  assert.equal(send.status, 200);
  const answers = [await send.text(), await first];
  let cursor = answers[1].C ?? init.C;
  // The frame and the answer come in one order or the other, and a self-hosted server has the answer in the body of /send.
  for (let message = answers[1]; !message.M?.length; message = await poll(cursor)) cursor = message.C ?? cursor;
  const held = poll(cursor);
  const next = poll(cursor);
  const ended = await Promise.race([held, next]);
  assert.ok(ended.M === undefined || ended.M.length === 0);
  assert.equal((await raw.call('abort', { ...longPolling, body: '' })).status, 200);
  await within(20_000, 'both polls end', Promise.all([held, next]));
}

/** Keep-alive on a poll, and its end. */
async function idlePoll(stand) {
  const raw = await Raw.open(stand);
  const longPolling = { method: 'POST', transport: 'longPolling' };
  const init = await (await raw.call('connect', { ...longPolling, body: '' })).json();
  const began = Date.now();
  const answer = await raw.call('poll', { ...longPolling, body: `messageId=${encodeURIComponent(init.C)}` });
  const text = await answer.text();
  const seconds = (Date.now() - began) / 1000;
  assert.ok(seconds > 100 && seconds < 120, `after ${seconds} s`);
  assert.match(text, /^ {9,12}{"C":"[^"]+","M":\[\]}$/);
  await raw.call('abort', { ...longPolling, body: '' });
}

export const wireCases = (stand) => [
  ['C101 C102 negotiate, GET and POST', () => negotiation(stand)],
  ['C113 ping', () => pings(stand)],
  ['C117 refusals', () => refusals(stand)],
  ['C104 event stream', () => serverSentEvents(stand)],
  ['C119 C112 requests as C# sends them', () => othersSend(stand)],
  ['C105 C107 polls', () => polls(stand)],
  ...(stand.self ? [] : [['C114 preflights', () => preflights(stand)]]),
];

export const idlePollCase = (stand) => ['C109 C110 an idle poll', () => idlePoll(stand)];
