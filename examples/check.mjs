// Runs each example server behind a gateway of its own and talks to it with the
// client that browsers use.
//
//   node examples/check.mjs [node|python|go ...]     none: all of them
//
// Needs `npm ci` in examples/chat, node, python3 and go. HUBGATE_BIN is the
// gateway to use; without it one is built from this tree. Each case is a line
// "ok NAME" or "FAIL NAME: why", the last line is "N passed, N failed".
import { createHmac } from 'node:crypto';
import { deepStrictEqual as same, match, rejects } from 'node:assert/strict';
import { build, client, connectionString, count, finish, freePort, gateway, key, signalR, start, stopAll } from './lab.mjs';

const servers = {
  node: () => [process.execPath, ['server.mjs']],
  python: () => ['python3', ['-B', 'server.py']],
  go: () => [build('chat', './examples/chat/go'), []],
};

const enter = (app, user) => client(`${app}/chat?user=${encodeURIComponent(user)}`, ['message', 'note', 'newMessage']);

const sign = (id, by) => 'sha256=' + createHmac('sha256', by).update(id).digest('hex').toUpperCase();

async function webhook(app, headers) {
  const answer = await fetch(`${app}/hook/messages/whoami`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-asrs-user-id': 'eve', ...headers },
    body: JSON.stringify({ type: 1, invocationId: '7', target: 'whoami', arguments: [] }),
  });
  return [answer.status, await answer.text()];
}

const cases = {
  'serves the page and the client library': async ({ app }) => {
    match(await (await fetch(app + '/?user=ann')).text(), /<title>hubgate chat/);
    same((await fetch(app + '/signalr.min.js')).status, 200);
  },
  'an invocation is answered by the webhook': async ({ app }) => {
    const ann = await enter(app, 'ann');
    same(await ann.invoke('whoami'), 'ann');
    await ann.stop();
  },
  'a user id of any characters arrives as it is': async ({ app }) => {
    const someone = await enter(app, 'Zoë, 100% 日本');
    same(await someone.invoke('whoami'), 'Zoë, 100% 日本');
    await someone.stop();
  },
  'what one says the other hears': async ({ app }) => {
    const [ann, bob] = [await enter(app, 'ann'), await enter(app, 'bob')];
    await ann.got('note', 'bob has joined');
    await ann.send('say', 'hello');
    await Promise.all([ann, bob].map(one => one.got('message', 'ann', 'hello')));
    await bob.stop();
    await ann.got('note', 'bob has left');
    await ann.stop();
  },
  'an unknown method is an error': async ({ app }) => {
    const ann = await enter(app, 'ann');
    await rejects(ann.invoke('nothing'), /status code 404/);
    await ann.stop();
  },
  'a webhook without a signature gets 401': async ({ app }) => {
    same((await webhook(app, { 'x-asrs-connection-id': 'abc' }))[0], 401);
  },
  'a webhook with a wrong signature gets 401': async ({ app }) => {
    const other = sign('abc', 'another-key-another-key-another-key-another');
    same((await webhook(app, { 'x-asrs-connection-id': 'abc', 'x-asrs-signature': other }))[0], 401);
    const moved = sign('abd', key);
    same((await webhook(app, { 'x-asrs-connection-id': 'abc', 'x-asrs-signature': moved }))[0], 401);
  },
  'a webhook with two signatures of which one is right is answered': async ({ app }) => {
    const both = sign('abc', 'another-key-another-key-another-key-another') + ',' + sign('abc', key);
    const [status, text] = await webhook(app, { 'x-asrs-connection-id': 'abc', 'x-asrs-signature': both });
    same(status, 200);
    same([text.at(-1), JSON.parse(text.slice(0, -1))], ['\x1e', { type: 3, invocationId: '7', result: 'eve' }]);
  },
};

async function check(name) {
  const port = await freePort();
  const app = `http://localhost:${port}`;
  const url = await gateway('--upstream', app + '/hook/{category}/{event}');
  const [command, args] = servers[name]();
  await start(command, args, { env: { PORT: String(port), HUBGATE_CONNECTION_STRING: connectionString(url) }, pattern: /^chat: (\S+)/ });
  for (const [title, run] of Object.entries(cases)) {
    await count(`${name}: ${title}`, () => run({ app }));
  }
}

// docs/proxies.md says how long the client tries to reconnect.
await count('the JavaScript client gives up after 42 s', async () => {
  const connection = new signalR.HubConnectionBuilder().withUrl('http://localhost/').withAutomaticReconnect().build();
  const delays = [0, 1, 2, 3, 4].map(previousRetryCount =>
    connection._reconnectPolicy.nextRetryDelayInMilliseconds({ previousRetryCount, elapsedMilliseconds: 0 }));
  same(delays, [0, 2000, 10000, 30000, null]);
});

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(servers);
for (const name of names) {
  if (!servers[name]) throw new Error(`no example ${name}`);
  await count(`${name}: runs`, () => check(name));
  await stopAll();
}
await finish();
