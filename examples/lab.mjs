// What the checks of examples, recipes and proxies share: programs that run until the end, clients, and cases.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { freePort } from '../internal/freeport/freeport.mjs';

export { freePort };

export const root = fileURLToPath(new URL('..', import.meta.url));
export const chat = fileURLToPath(new URL('chat', import.meta.url));
const require = createRequire(join(chat, 'package.json'));
export const signalR = require('@microsoft/signalr');
export const WebSocket = require('ws');
export const key = 'check-check-check-check-check-check-check-key';
export const work = mkdtempSync(join(tmpdir(), 'hubgate-examples-'));

const patience = 20_000;
const running = [];
let passed = 0, failed = 0;

// build makes a binary of a Go package of this repository.
export function build(name, pkg) {
  const binary = join(work, name + (process.platform === 'win32' ? '.exe' : ''));
  execFileSync('go', ['build', '-o', binary, pkg], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  return binary;
}

// start runs a program until stopAll and returns what the pattern finds in its output. All that it prints goes to lines.
export function start(command, args, { env = {}, pattern, cwd = chat, lines: seen = [] }) {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise(resolve => child.once('close', resolve));
  running.push({ child, ended });
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

let binary;

// program is the file of the gateway to use: HUBGATE_BIN, or one that is built from this tree.
export const program = () => binary ??= process.env.HUBGATE_BIN || build('hubgate', './cmd/hubgate');

// gateway runs hubgate with these arguments, and returns its URL.
export function gateway(...args) {
  return start(program(), ['--listen', '127.0.0.1:0', '--admin-listen', 'off', '--access-key', key, ...args],
    { pattern: /msg=serving url=(\S+)/ });
}

// hubgate runs a verb to its end and returns its output.
export const hubgate = (url, ...args) =>
  execFileSync(program(), args, { env: { ...process.env, HUBGATE_CONNECTION_STRING: connectionString(url) }, encoding: 'utf8' });

export const connectionString = url => `Endpoint=${url};AccessKey=${key};Version=1.0;`;

// ended is when a program that was started has ended.
export const ended = pid => running.find(({ child }) => child.pid === pid).ended;

export async function stopAll() {
  for (const { child } of running) child.kill();
  await Promise.all(running.splice(0).map(r => r.ended));
}

export function within(what, promise, time = patience) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`waited too long for ${what}`)), time); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export const pause = time => new Promise(resolve => setTimeout(resolve, time));

// until asks again until the answer is right, for a minute, and returns it. An error ends it, unless it is one that may
// pass: nobody listens yet, or the error says so by its property passing.
export async function until(what, ask, right = Boolean) {
  for (const end = Date.now() + 60_000; ;) {
    let answer;
    try {
      answer = await ask();
      if (right(answer)) return answer;
    } catch (error) {
      if (!error.passing && error.cause?.code !== 'ECONNREFUSED') throw error;
      answer = error.message;
    }
    if (Date.now() > end) throw new Error(`waited too long for ${what}: ${JSON.stringify(answer)?.slice(0, 2000)}`);
    await pause(100);
  }
}

// client connects to a hub's URL at an application. got waits for a message of this method and these arguments.
export async function client(url, methods, transport) {
  const connection = new signalR.HubConnectionBuilder().withUrl(url, { transport })
    .configureLogging(signalR.LogLevel.None).build();
  const arrived = [], waiting = new Set();
  for (const method of methods) {
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

// count runs a case and prints its line.
export async function count(name, run) {
  try {
    await run();
    passed++;
    console.log(`ok ${name}`);
  } catch (error) {
    failed++;
    console.log(`FAIL ${name}: ${error.message}`);
  }
}

// finish ends everything. The last line is "N passed, N failed".
export async function finish() {
  await stopAll();
  rmSync(work, { recursive: true, force: true });
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed > 0 || passed === 0 ? 1 : 0);
}
