// Starts a gateway, its webhook and an application server, and runs a command that tests a client of another language:
//
//   node stand.mjs SUITE COMMAND [ARGUMENT...]
//
// The command finds HUBGATE_ENDPOINT, HUBGATE_ADMIN, HUBGATE_KEY and APP_URL in its environment (hub URLs are APP_URL/open/HUB[/USER]),
// prints its cases and ends with its own verdict; HUBGATE_FLAGS (a JSON array) are further flags of the gateway.
// The upstream answers Echo with its argument, Fail with an error, Void with nothing, and Tally with
// the arguments of all Note invocations and sends of that connection so far.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Report } from './lib/report.mjs';
import { World } from './lib/world.mjs';

const [suite, command, ...args] = process.argv.slice(2);
const flags = JSON.parse(process.env.HUBGATE_FLAGS ?? '[]');
const world = await World.create((webhook) => ['--upstream', webhook.template, ...flags]);
const { webhook, gateway, app } = world;
app.openTo(gateway);
const notes = new Map();
webhook.on('Echo', (event) => ({ result: event.message.arguments[0] }));
webhook.on('Fail', () => ({ error: 'no luck' }));
webhook.on('Void', () => ({}));
webhook.on('Note', (event) => {
  const seen = notes.get(event.connectionId) ?? [];
  notes.set(event.connectionId, [...seen, event.message.arguments[0]]);
  return {};
});
webhook.on('Tally', (event) => ({ result: notes.get(event.connectionId) ?? [] }));

const env = {
  ...process.env,
  HUBGATE_ENDPOINT: gateway.endpoint,
  HUBGATE_ADMIN: `http://127.0.0.1:${gateway.adminPort}`,
  HUBGATE_KEY: gateway.key,
  APP_URL: app.endpoint,
};
const report = new Report(suite);
const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], env });
createInterface({ input: child.stdout }).on('line', (line) => report.foreign(line));
const [status] = await once(child, 'close');
await report.run('R58 every webhook carried a good signature', () => {
  if (webhook.problems.length > 0) throw new Error(webhook.problems.join('; '));
  if (webhook.checked === 0) throw new Error('no webhook came');
});
await report.run('the clients end well', () => {
  if (status !== 0) throw new Error(`status ${status}`);
});
await report.run('C14 no token and no key in the log, no panic', async () => {
  const code = await world.close();
  const log = gateway.log();
  if (code !== 0) throw new Error(`the gateway ended with ${code}`);
  if (/eyJ[\w-]{10,}\.eyJ|panic/.test(log) || log.includes(gateway.key)) throw new Error(`see ${gateway.logFile}`);
});
report.finish();
