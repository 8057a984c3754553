// What the programs of the suite have in common. With HUBGATE_ASPNET_SELF, the URL of a self-hosted server with the same hubs, the cases
// that make sense there run at it: that shows that they expect what they should. HUBGATE_CASES, a regular expression, chooses among them.
import assert from 'node:assert/strict';
import { Report } from '../lib/report.mjs';
import { Stand, unlessNotServed } from './stand.mjs';

export const self = process.env.HUBGATE_ASPNET_SELF;
const only = process.env.HUBGATE_CASES ? new RegExp(process.env.HUBGATE_CASES) : /./;
export const chosen = (cases) => cases.filter(([name]) => only.test(name));

export async function beginning(name) {
  const report = new Report(name);
  if (!self) await unlessNotServed(report);
  return report;
}

/** A gateway with a hub server, or the self-hosted server. */
export const standard = () => (self ? Stand.self(self) : Stand.behind());

/** Ends stand and report. */
export async function ending(report, stand, where) {
  if (!self) {
    await report.run(`${where}: the gateway ends when told`, async () => assert.deepEqual(await stand.close(), [0, 0]));
    await report.run(`${where}: C14 no token and no key in the log, no panic`, () => {
      const log = stand.gateway.log();
      assert.doesNotMatch(log, /eyJ[\w-]{10,}\.eyJ/);
      for (const key of stand.gateway.keys) assert.ok(!log.includes(key), 'an access key is in the log');
      assert.doesNotMatch(log, /panic|DATA RACE/);
    });
  }
  report.finish();
}
