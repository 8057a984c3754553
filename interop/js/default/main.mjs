// The official JavaScript clients, versions 8, 9 and 10, with hub servers behind hubgate (HUBGATE_BIN) in Default mode.
// HUBGATE_CASES, a regular expression, chooses among the cases; HUBGATE_SUITE is another name for the suite.
import assert from 'node:assert/strict';
import { combinations } from '../lib/clients.mjs';
import { Report } from '../lib/report.mjs';
import { callCases } from './calls.mjs';
import { lifeCases } from './life.mjs';
import { modeCases } from './modes.mjs';
import { broadcastCase, sendCases } from './sends.mjs';
import { statefulCases } from './stateful.mjs';
import { World } from './world.mjs';

const report = new Report(process.env.HUBGATE_SUITE ?? 'default');
const only = process.env.HUBGATE_CASES ? new RegExp(process.env.HUBGATE_CASES) : /./;
const chosen = (cases) => cases.filter(([name]) => only.test(name));

// A refused handshake rejects start(), and over server-sent events the client throws it into Node's EventSource as well. So it
// does with a stream that ends before start() does.
process.on('uncaughtException', (error) => {
  if (!/^Server returned handshake error|was called while the connection is still in the connecting state/.test(error.message)) throw error;
});

const world = await World.create();
world.server = await world.start();
const cases = [broadcastCase(world, combinations)];
// They mostly wait.
const stateful = combinations.flatMap((one) => statefulCases(world, one));
const breaking = report.runAll(chosen(stateful), stateful.length);
for (const one of combinations) cases.push(...callCases(world, one), ...sendCases(world, one));
await Promise.all([breaking, report.runAll(chosen(cases), 6)]);
// One after the other: each is busy with clients of every kind.
await report.runAll(chosen([...lifeCases(world, combinations), ...modeCases(combinations)]), 1);

await report.run('H30 hub servers and gateway end when told', async () => {
  assert.ok((await world.close()).every((code) => code === 0));
});
await report.run('C14 no token and no key in the log, no panic', () => {
  const log = world.gateway.log();
  assert.doesNotMatch(log, /eyJ[\w-]{10,}\.eyJ/);
  for (const key of world.gateway.keys) assert.ok(!log.includes(key), 'an access key is in the log');
  assert.doesNotMatch(log, /panic|DATA RACE/);
});
report.finish();
