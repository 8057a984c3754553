// Does docs/tutorial-nodes.md: starts the three nodes, the balancer and the client of the page, and runs its commands,
// with ports that are free.
//
//   node examples/nodes.mjs
//
// Needs `npm ci` in examples/chat. HUBGATE_BIN is the gateway to use; without it one is built from this tree.
import { execFile } from 'node:child_process';
import { deepStrictEqual as same, match } from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { chat, count, ended, finish, freePort, program, start, until, within, work } from './lab.mjs';
import { steps, words, writeFiles } from './steps.mjs';

const page = steps('tutorial-nodes.md');
same([...page.keys()], [1, 2, 3, 4, 5, 6]);
const folder = join(work, 'nodes');
mkdirSync(folder);
symlinkSync(join(chat, 'node_modules'), join(folder, 'node_modules'));

// The ports of the page, and those that stand for them here.
const ports = new Map();
for (const text of ['8880', '8881', '8882', '8883', '8891', '8892', '8893', '4251', '4252', '4253']) ports.set(text, String(await freePort()));
const moved = text => text.replace(/\b(?:88[89]\d|425\d)\b/g, port => ports.get(port) ?? port);

let connectionString = '';

// run does the commands of a block of the page, and returns what they print.
async function run(code) {
  let output = '';
  for (const line of moved(code).trim().split('\n')) {
    const set = /^export HUBGATE_CONNECTION_STRING='([^']*)'$/.exec(line);
    if (set) {
      connectionString = set[1];
      continue;
    }
    const [command, ...args] = words(line);
    same(command, 'hubgate');
    output += await hubgate(...args);
  }
  return output;
}

// A command that fails with the exit code 1 may succeed a moment later: the nodes find each other. One that is wrong ends
// with another code.
const hubgate = (...args) => new Promise((resolve, reject) => {
  const env = { ...process.env, HUBGATE_CONNECTION_STRING: connectionString };
  execFile(program(), args, { env, encoding: 'utf8' }, (error, stdout, stderr) =>
    error ? reject(Object.assign(new Error(stdout + stderr), { passing: error.code === 1 })) : resolve(stdout));
});

const commands = number => page.get(number).blocks.filter(({ language, file }) => language === 'sh' && file === 'run').map(({ code }) => code);

// prints repeats a command until its output has what the pattern finds.
const prints = (code, pattern) => until(pattern, () => run(code), output => pattern.test(output));

// says waits until a program that runs has printed it.
const says = (lines, pattern) => until(pattern, () => lines.some(line => pattern.test(line)));

const nodes = new Map();
const startNode = async name => {
  const { code } = page.get(1).blocks.find(({ file }) => file === `node ${name}`);
  const [, ...args] = words(moved(code));
  nodes.set(name, await start(program(), args, { pattern: /msg=serving.* pid=(\d+)/ }));
};
const list = /^\S+ +ann +\S+ +\S+ +\S+ +\S+ \S+ +([abc])\s*$/m;
let client, home, id;

await count('step 1: three nodes find each other', async () => {
  await Promise.all(['a', 'b', 'c'].map(startNode));
  await prints(commands(1)[0], /3 of 3 voters are there/);
});
await count('step 2: a message crosses', async () => {
  const [, listen] = /^```sh\n(export [^]*?)\nhubgate listen chat\n```$/m.exec(page.get(2).text);
  const there = moved(listen).slice("export HUBGATE_CONNECTION_STRING='".length, -1);
  const listener = { lines: [] };
  await start(program(), ['listen', 'chat'], { env: { HUBGATE_CONNECTION_STRING: there }, pattern: /^connected to hub (\S+)/, lines: listener.lines });
  await prints(commands(2)[0], /^accepted for 1 connection$/m);
  await says(listener.lines, /"arguments":\["hello"\]/);
});
await count('step 3 and 4: a client behind a balancer', async () => {
  for (const number of [3, 4]) writeFiles(page.get(number), folder, moved);
  const PORTS = ['8880', '8881', '8882', '8883'].map(moved).join(' ');
  await start(process.execPath, ['balancer.mjs'], { cwd: folder, env: { PORTS }, pattern: /^balancer on (\d+)/ });
  const TOKEN = (await hubgate('token', 'client', 'chat', '--user', 'ann')).trim();
  client = { lines: [] };
  await start(process.execPath, ['client.mjs'], { cwd: folder, env: { TOKEN }, pattern: /^connected as (\S+)/, lines: client.lines });
  const [where, send] = commands(4);
  const row = await prints(where, list);
  [, home] = list.exec(row);
  id = /^(\S+) +ann/m.exec(row)[1];
  match(await run(send), /^accepted for 1 connection$/m);
  await says(client.lines, /^message: before$/);
});
await count('step 5: its node ends, and it loses nothing', async () => {
  process.kill(Number(nodes.get(home)), 'SIGINT');
  if (home === 'a') connectionString = connectionString.replace(ports.get('8881'), ports.get('8882'));
  await prints(commands(4)[0], new RegExp(`^${id} +ann .* [${'abc'.replace(home, '')}]\\s*$`, 'm'));
  match(await run(commands(5)[0]), /^accepted for 1 connection$/m);
  await says(client.lines, /^message: after$/);
  same(client.lines.filter(line => !line.startsWith('connected as')), ['message: before', 'message: after']);
});
await count('step 6: the node comes back', async () => {
  await within('the node to end', ended(Number(nodes.get(home))), 60_000); // it lets go of its clients first
  await startNode(home);
  await prints(commands(1)[0].replace(/localhost:\d+/, `localhost:${home === 'a' ? '8892' : '8891'}`), /3 of 3 voters are there/);
});
await finish();
