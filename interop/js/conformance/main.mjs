// Replays what ASP.NET Core SignalR was seen to answer, frame by frame and request by request.
//
//   node conformance/main.mjs                  against hubgate (HUBGATE_BIN)
//   node conformance/main.mjs http://HOST:PORT against an ASP.NET Core server with a hub at /test
//
// Compared are statuses, headers, kinds and order of records, the presence of error and allowReconnect, and close codes;
// never the wording of a text.
import { Report } from '../lib/report.mjs';
import { byDesign, headersByDesign } from './differences.mjs';
import { frameCases } from './frame-cases.mjs';
import { play } from './frames.mjs';
import { httpCases, tokenCases } from './http-cases.mjs';
import { Conversation, difference } from './http.mjs';
import { aspNetCore, hubgate } from './target.mjs';

const [reference] = process.argv.slice(2);
const target = reference ? aspNetCore(reference) : await hubgate();
const report = new Report(`conformance ${target.name}`);

// A row of the compatibility table is named only where it is hubgate that was tested.
const title = (one) => (one.row && target.name === 'hubgate' ? `${one.row} ${one.name}` : one.name);
const expectation = (one) => (target.name === 'hubgate' ? { ...one, ...byDesign[one.name] } : one);

const lenient = target.name === 'hubgate' ? headersByDesign : {};

async function frameCase(one) {
  const { records, end } = await play(target, one);
  const [is, should] = [`${records.join(' | ')}; ${end}`, `${one.expect.join(' | ')}; ${one.then}`];
  if (is !== should) throw new Error(`got ${is} instead of ${should}`);
}

async function httpCase(one) {
  const conversation = new Conversation(target);
  await one.play(conversation);
  for (const [label, expected] of Object.entries(one.expect)) {
    const why = difference(conversation.answers.get(label), expected, lenient);
    if (why) throw new Error(`${label}: ${why}`);
  }
}

const cases = frameCases.map(expectation).map((one) => [title(one), () => frameCase(one)]);
for (const one of httpCases.map(expectation)) cases.push([title(one), () => httpCase(one)]);
if (target.name === 'hubgate') for (const one of tokenCases) cases.push([title(one), () => httpCase(one)]);

await report.runAll(cases, 8);
await report.run('the server ends when told', () => target.close());
report.finish();
