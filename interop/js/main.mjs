// The official JavaScript clients, versions 8, 9 and 10, against hubgate (HUBGATE_BIN) in Serverless mode.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { endingCases, restartCase } from './cases/endings.mjs';
import { liveTraceCases } from './cases/livetrace.mjs';
import { broadcastCase, idleCase, messageCases } from './cases/messages.mjs';
import { negotiationCases } from './cases/negotiation.mjs';
import { resultCases, streamCases } from './cases/results.mjs';
import { statefulCases } from './cases/stateful.mjs';
import { boundedUpstreamCases, upstreamCases } from './cases/upstream.mjs';
import { combinations } from './lib/clients.mjs';
import { Report } from './lib/report.mjs';
import { World } from './lib/world.mjs';

const report = new Report('js');

/**
 * Settings as the emulator reads them: upstreams for two hubs only, of which one cannot be reached. Nobody is given port 1,
 * as may happen with a port that was only free a moment ago.
 */
async function boundedUpstream(webhook) {
  const template = (HubPattern, UrlTemplate) => ({ UrlTemplate, HubPattern, CategoryPattern: '*', EventPattern: '*' });
  const Templates = [
    template('known', webhook.template),
    template('known', `${webhook.endpoint}/never-called-as-the-first-match-wins`),
    template('unreachable', 'http://127.0.0.1:1/'),
  ];
  const file = join(process.env.HUBGATE_WORK, 'two-hubs-settings.json');
  writeFileSync(file, JSON.stringify({ UpstreamSettings: { Templates } }));
  return ['--settings', file, '--upstream-timeout', '1s'];
}

const streaming = (webhook) => ['--upstream', webhook.template, '--upstream-streams', '--trace-live'];
const [world, restarted, bounded, streams] = await Promise.all([World.create(), World.create(), World.create(boundedUpstream), World.create(streaming)]);
const worlds = [world, restarted, bounded, streams];
for (const { webhook } of worlds) {
  webhook.on('Echo', (event) => ({ result: event.message.arguments[0] }));
  webhook.on('EchoAll', (event) => ({ result: event.message.arguments }));
}

const cases = [];
for (const one of combinations) {
  if (one.protocol === 'json') cases.push(idleCase(world, one));
  cases.push(...statefulCases(world, one));
}
const waiting = report.runAll(cases, cases.length);

const working = [restartCase(restarted, combinations), broadcastCase(world, combinations)];
for (const one of combinations) {
  working.push(...messageCases(world, one), ...upstreamCases(world, one), ...endingCases(world, one), ...negotiationCases(world, one), ...resultCases(world, one));
  working.push(...boundedUpstreamCases(bounded, one), ...streamCases(streams, one), ...liveTraceCases(streams, one));
}
await Promise.all([waiting, report.runAll(working, 6)]);

await report.run('R58 every webhook carried a good signature and the path of its template', () => {
  const problems = worlds.flatMap(({ webhook }) => webhook.problems);
  assert.deepEqual(problems, []);
  assert.ok(world.webhook.checked > 10_000);
});
await report.run('the gateways end when told', async () => {
  assert.deepEqual(await Promise.all(worlds.map((one) => one.close())), [0, 0, 0, 0]);
});
await report.run('C14 no token and no key in the logs, no panic', () => {
  for (const { gateway } of worlds) {
    const log = gateway.log();
    assert.doesNotMatch(log, /eyJ[\w-]{10,}\.eyJ/);
    for (const key of gateway.keys) assert.ok(!log.includes(key), 'an access key is in the log');
    assert.doesNotMatch(log, /panic|DATA RACE/);
  }
});
report.finish();
