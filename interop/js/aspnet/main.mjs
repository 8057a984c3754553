// ASP.NET SignalR: npm signalr 2.4.0 and 2.4.3 in jsdom, with hub servers behind hubgate (HUBGATE_BIN).
// With HUBGATE_ASPNET_SELF, the URL of a self-hosted server with the same hubs, the cases that make sense there run at it: that
// shows that they expect what they should. HUBGATE_CASES, a regular expression, chooses among the cases.
import assert from 'node:assert/strict';
import { Report } from '../lib/report.mjs';
import { callCases } from './calls.mjs';
import { combinations, versions } from './client.mjs';
import { endCases, worldCases } from './ends.mjs';
import { idleCases } from './idle.mjs';
import { cutCases, fallbackCases } from './reconnects.mjs';
import { sendCases } from './sends.mjs';
import { protocolCase, settingsCases } from './settings.mjs';
import { Stand, unlessNotServed } from './stand.mjs';
import { idlePollCase, wireCases } from './wire.mjs';

const report = new Report('aspnet');
const only = process.env.HUBGATE_CASES ? new RegExp(process.env.HUBGATE_CASES) : /./;
const chosen = (cases) => cases.filter(([name]) => only.test(name));
const self = process.env.HUBGATE_ASPNET_SELF;
if (!self) await unlessNotServed(report);

const [stand, quiet] = self ? [Stand.self(self), Stand.self(self)] : await Promise.all([Stand.behind(), Stand.behind()]);
const waiting = [idlePollCase(quiet)];
const working = [...wireCases(stand), protocolCase(stand)];
for (const [index, one] of combinations.entries()) {
  const others = [1, 2].map((next) => combinations[(index + next) % combinations.length]);
  waiting.push(...idleCases(quiet, one, combinations[0]));
  working.push(...callCases(stand, one), ...sendCases(stand, one, others), ...cutCases(stand, one), ...endCases(stand, one));
}
for (const version of versions) working.push(...fallbackCases(stand, version));
const waited = report.runAll(chosen(waiting), waiting.length);
// A self-hosted server is one for all: broadcasts would disturb those that are idle.
if (self) await waited;
await report.runAll(chosen(working), 5);
if (!self) {
  await report.runAll(chosen([...worldCases, ...settingsCases]), 2);
}
await waited;
if (!self) {
  await report.run('gateways end when told', async () => {
    assert.deepEqual([...await stand.close(), ...await quiet.close()], [0, 0, 0, 0]);
  });
  await report.run('C14 no token and no key in the logs, no panic', () => {
    for (const { gateway } of [stand, quiet]) {
      const log = gateway.log();
      assert.doesNotMatch(log, /eyJ[\w-]{10,}\.eyJ/);
      for (const key of gateway.keys) assert.ok(!log.includes(key), 'an access key is in the log');
      assert.doesNotMatch(log, /panic|DATA RACE/);
    }
  });
}
report.finish();
