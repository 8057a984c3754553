// ASP.NET SignalR: npm signalr 2.4.0 and 2.4.3 in jsdom, with hub servers behind hubgate (HUBGATE_BIN). See suite.mjs.
import { callCases } from './calls.mjs';
import { combinations, versions } from './client.mjs';
import { endCases, worldCases } from './ends.mjs';
import { cutCases, fallbackCases } from './reconnects.mjs';
import { sendCases } from './sends.mjs';
import { protocolCase, settingsCases } from './settings.mjs';
import { beginning, chosen, ending, self, standard } from './suite.mjs';
import { wireCases } from './wire.mjs';

const report = await beginning('aspnet');
const stand = await standard();
const cases = [...wireCases(stand), protocolCase(stand)];
for (const [index, one] of combinations.entries()) {
  const others = [1, 2].map((next) => combinations[(index + next) % combinations.length]);
  cases.push(...callCases(stand, one), ...sendCases(stand, one, others), ...cutCases(stand, one), ...endCases(stand, one));
}
for (const version of versions) cases.push(...fallbackCases(stand, version));
await report.runAll(chosen(cases), 5);
if (!self) await report.runAll(chosen([...worldCases, ...settingsCases]), 2);
await ending(report, stand, 'jsdom');
