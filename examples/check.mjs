// Runs each example server behind a gateway of its own and talks to it with the
// client that browsers use.
//
//   node examples/check.mjs [node|python|go ...]     none: all of them
//
// Needs `npm ci` in examples/chat, node, python3 and go. HUBGATE_BIN is the
// gateway to use; without it one is built from this tree. Each case is a line
// "ok NAME" or "FAIL NAME: why", the last line is "N passed, N failed".
import { execFileSync, spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { deepStrictEqual as same, match, rejects } from 'node:assert/strict';

const chat = fileURLToPath(new URL('chat', import.meta.url));
const root = fileURLToPath(new URL('..', import.meta.url));
const signalR = createRequire(join(chat, 'package.json'))('@microsoft/signalr');
const key = 'check-check-check-check-check-check-check-key';
const patience = 20_000;

const servers = {
  node: () => [process.execPath, ['server.mjs']],
  python: () => ['python3', ['-B', 'server.py']],
  go: () => [build('chat', './examples/chat/go'), []],
};

const work = mkdtempSync(join(tmpdir(), 'hubgate-examples-'));
const running = [];
let passed = 0, failed = 0;

function build(name, pkg) {
  const binary = join(work, name + (process.platform === 'win32' ? '.exe' : ''));
  execFileSync('go', ['build', '-o', binary, pkg], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  return binary;
}

// start runs a program until stopAll and returns what the pattern finds in its output.
function start(command, args, { env, pattern }) {
  const child = spawn(command, args, { cwd: chat, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise(resolve => child.once('close', resolve));
  running.push({ child, ended });
  const seen = [];
  return within(`${command} to start`, new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', line => {
        seen.push(line);
        const found = pattern.exec(line);
        if (found) resolve(found[1]);
      });
    }
    child.once('error', reject);
    ended.then(code => reject(new Error(`${command} ended with ${code}: ${seen.join('\n')}`)));
  }));
}

async function stopAll() {
  for (const { child } of running) child.kill();
  await Promise.all(running.splice(0).map(r => r.ended));
}

function within(what, promise) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`waited too long for ${what}`)), patience); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject).listen(0, 'localhost', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

// A client of the chat; got waits for a message of this method and these arguments.
async function enter(app, user) {
  const connection = new signalR.HubConnectionBuilder()
    .withUrl(`${app}/chat?user=${encodeURIComponent(user)}`)
    .configureLogging(signalR.LogLevel.None).build();
  const arrived = [], waiting = new Set();
  for (const method of ['message', 'note', 'newMessage']) {
    connection.on(method, (...args) => {
      arrived.push(JSON.stringify([method, ...args]));
      for (const look of waiting) look();
    });
  }
  await within('the connection', connection.start());
  return {
    invoke: (...args) => within('the answer', connection.invoke(...args)),
    send: (...args) => connection.send(...args),
    stop: () => connection.stop(),
    got: (...what) => within(what.join(' '), new Promise(resolve => {
      const look = () => arrived.includes(JSON.stringify(what)) && (waiting.delete(look), resolve());
      waiting.add(look);
      look();
    })),
  };
}

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

async function check(name, gateway) {
  const port = await freePort();
  const app = `http://localhost:${port}`;
  const url = await start(gateway, ['--listen', '127.0.0.1:0', '--admin-listen', 'off', '--access-key', key,
    '--upstream', app + '/hook/{category}/{event}'], { env: {}, pattern: /msg=serving url=(\S+)/ });
  const [command, args] = servers[name]();
  const env = { PORT: String(port), HUBGATE_CONNECTION_STRING: `Endpoint=${url};AccessKey=${key};Version=1.0;` };
  await start(command, args, { env, pattern: /^chat: (\S+)/ });
  for (const [title, run] of Object.entries(cases)) {
    await count(`${name}: ${title}`, () => run({ app }));
  }
}

async function count(name, run) {
  try {
    await run();
    passed++;
    console.log(`ok ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAIL ${name}: ${error.message}`);
  }
}

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(servers);
try {
  const gateway = process.env.HUBGATE_BIN || build('hubgate', './cmd/hubgate');
  for (const name of names) {
    if (!servers[name]) throw new Error(`no example ${name}`);
    try {
      await check(name, gateway);
    } catch (error) {
      failed++;
      console.log(`FAIL ${name}: ${error.message}`);
    }
    await stopAll();
  }
} catch (error) {
  failed++;
  console.log(`FAIL examples: ${error.message}`);
} finally {
  await stopAll();
  rmSync(work, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
