// ASP.NET SignalR: npm signalr 2.4.0 and 2.4.3 in jsdom, with hub servers behind hubgate (HUBGATE_BIN).
// With HUBGATE_ASPNET_SELF, the URL of a self-hosted server with the same hubs, the cases that make sense there run at it: that
// shows that they expect what they should. HUBGATE_CASES, a regular expression, chooses among the cases.
import { Report } from '../lib/report.mjs';
import { callCases } from './calls.mjs';
import { combinations, versions } from './client.mjs';
import { cutCases, fallbackCases } from './reconnects.mjs';
import { sendCases } from './sends.mjs';
import { Stand } from './stand.mjs';

const report = new Report('aspnet');
const only = process.env.HUBGATE_CASES ? new RegExp(process.env.HUBGATE_CASES) : /./;
const chosen = (cases) => cases.filter(([name]) => only.test(name));
const self = process.env.HUBGATE_ASPNET_SELF;

const stand = self ? Stand.self(self) : await Stand.behind();
const working = [];
for (const [index, one] of combinations.entries()) {
  const others = [1, 2].map((next) => combinations[(index + next) % combinations.length]);
  working.push(...callCases(stand, one), ...sendCases(stand, one, others), ...cutCases(stand, one));
}
for (const version of versions) working.push(...fallbackCases(stand, version));
await report.runAll(chosen(working), 4);
await stand.close();
report.finish();
