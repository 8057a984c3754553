// The cases that mostly wait, all at the same time. They are a process of their own: clients measure time, and making pages keeps a process busy.
import { combinations } from './client.mjs';
import { idleCases } from './idle.mjs';
import { beginning, chosen, ending, standard } from './suite.mjs';
import { idlePollCase } from './wire.mjs';

const report = await beginning('aspnet');
const stand = await standard();
const cases = [idlePollCase(stand), ...combinations.flatMap((one) => idleCases(stand, one, combinations[0]))];
await report.runAll(chosen(cases), cases.length);
await ending(report, stand, 'waiting');
