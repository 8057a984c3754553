// Runs inside the browser, on an origin that is not the gateway's. Reports each case to the server that the page came from.
/* global signalR */
'use strict';

const post = (path, content) => fetch(path, { method: 'POST', body: JSON.stringify(content) }).then((answer) => answer.json());

function check(condition, what) {
  if (!condition) throw new Error(what);
}

const within = (what, promise) =>
  Promise.race([promise, new Promise((_, reject) => setTimeout(() => reject(new Error(`${what}: nothing after 20 s`)), 20_000))]);

async function run(name, body) {
  try {
    await body();
    await post('/report', { kind: 'ok', name });
  } catch (error) {
    await post('/report', { kind: 'FAIL', name, why: String(error && error.message) });
  }
}

function build(room, transport, protocol) {
  let builder = new signalR.HubConnectionBuilder()
    .withUrl(room.url, { transport: signalR.HttpTransportType[transport] })
    .withAutomaticReconnect([0, 50])
    .configureLogging(signalR.LogLevel.None);
  if (protocol === 'messagepack') builder = builder.withHubProtocol(new signalR.protocols.msgpack.MessagePackHubProtocol());
  return builder.build();
}

async function conversation(transport, protocol) {
  const room = await post('/room', {});
  const connection = build(room, transport, protocol);
  const news = new Promise((resolve) => connection.on('news', (...args) => resolve(args)));
  const closed = new Promise((resolve) => connection.onclose(resolve));
  await within('start()', connection.start());
  const text = 'Grüße 🚀 日本語';
  check((await within('invoke', connection.invoke('Echo', text))) === text, 'echo differs');
  await post('/send', { hub: room.hub, id: connection.connectionId, args: [text, 1.5, [null]] });
  check(JSON.stringify(await within('news', news)) === JSON.stringify([text, 1.5, [null]]), 'REST message differs');
  await post('/close', { hub: room.hub, id: connection.connectionId, reason: 'go away' });
  const error = await within('onclose', closed);
  check(error && error.message.includes('go away'), `closed with ${error}`);
}

/** A refusal must be readable from another origin: with CORS headers missing, fetch rejects instead. */
async function refusalsAreReadable() {
  const room = await post('/room', {});
  const headers = { Authorization: 'Bearer garbage', 'X-Requested-With': 'XMLHttpRequest' };
  const negotiate = await fetch(`${room.gateway}/client/negotiate?hub=${room.hub}`, { method: 'POST', headers, credentials: 'include' });
  check(negotiate.status === 401, `negotiate answered ${negotiate.status}`);
  const unknown = `${room.gateway}/client/?hub=${room.hub}&id=AAAAAAAAAAAAAAAAAAAAAA`;
  headers.Authorization = `Bearer ${room.token}`;
  for (const method of ['GET', 'POST', 'DELETE']) {
    const answer = await fetch(unknown, { method, headers, credentials: 'include' });
    check(answer.status === 404, `${method} of an unknown id answered ${answer.status}`);
  }
}

async function main() {
  const transports = { json: ['WebSockets', 'ServerSentEvents', 'LongPolling'], messagepack: ['WebSockets', 'LongPolling'] };
  for (const protocol of Object.keys(transports)) {
    for (const transport of transports[protocol]) {
      const query = transport === 'LongPolling' ? 'C25 C26' : 'C11 C25 C26';
      await run(`${protocol} ${transport}: ${query} connect, invoke, receive from REST, close with reason`, () => conversation(transport, protocol));
    }
  }
  await run('C26 refusals carry CORS headers', refusalsAreReadable);
  await post('/done', {});
}

main();
