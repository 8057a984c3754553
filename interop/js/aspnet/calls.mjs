// Starts, calls and their answers.
import assert from 'node:assert/strict';
import { until } from '../lib/wait.mjs';
import { freshWord } from './stand.mjs';

/** Which rows say how a transport begins. */
const beginning = { webSockets: 'C103', serverSentEvents: 'C104', longPolling: 'C105' };

const failureOf = (promise) => promise.then(() => assert.fail('the call did not fail'), (error) => error);

async function starts(stand, combination) {
  const client = await stand.connect(combination, { query: { user: 'Jörg & Söhne' } });
  assert.equal(client.transport, combination.transport);
  const [init] = client.frames;
  assert.deepEqual({ ...init, C: typeof init.C }, { C: 'string', S: 1, M: [] }, 'the first frame');
  assert.ok(init.C !== '');
  if (combination.transport === 'serverSentEvents') assert.equal(client.to('connect')[0].texts[0], 'initialized');
  if (combination.transport === 'longPolling') await until('a poll is held', () => client.to('poll').some(({ status }) => status === undefined));
  const [start, ...others] = client.to('start');
  assert.deepEqual(JSON.parse(start.texts[0]), { Response: 'started' });
  assert.equal(others.length, 0);
  const who = await client.invoke('WhoAmI');
  assert.deepEqual({ ...who }, { ConnectionId: client.id, Query: 'Jörg & Söhne', User: null });
  if (!stand.self) {
    assert.equal(client.to('negotiate').length, 2, 'the application, then the gateway');
    assert.doesNotMatch(client.id, /\./);
    assert.deepEqual((await stand.server.events(client.id)).map(({ event }) => event), ['connected'], 'OnConnected ran once');
    for (const { method, url } of client.requests.slice(1)) {
      assert.equal(url.searchParams.has('access_token'), /Socket|Source/.test(method), `${method} ${url.pathname}: where the token is`);
    }
  }
  await client.stop();
  assert.deepEqual(client.errors, []);
}

async function results(stand, combination) {
  const client = await stand.connect(combination);
  const text = 'Grüße 🚀 日本語 <&"\'\\ \u2028 \r\n data: x';
  assert.equal(await client.invoke('Echo', text), text);
  assert.equal(await client.invoke('echo', ''), '', 'letter case does not matter');
  assert.equal(await client.invoke('Nothing'), undefined);
  await client.invoke('EchoBack', text);
  await client.hears(`echo: ${text}`);
  const word = freshWord();
  await client.invoke('Typed', word);
  await client.hears(JSON.stringify({ A: 1, B: `ü${word}`, C: [1, 2] }));
  const long = 'x'.repeat(30_000);
  assert.equal(await client.invoke('Echo', long), long);
  const slow = failureOf(client.call('ChatHub', 'Slow', 600_000));
  assert.equal(await client.invoke('Echo', 'meanwhile'), 'meanwhile', 'calls do not wait for each other');
  const many = Array.from({ length: 50 }, (_, i) => `${i}`);
  assert.deepEqual(await Promise.all(many.map((one) => client.invoke('Echo', one))), many);
  await client.stop();
  assert.match((await slow).message, /disconnected/);
  assert.deepEqual(client.errors, []);
}

async function failures(stand, combination) {
  const client = await stand.connect(combination);
  const told = await failureOf(client.invoke('Fail', 'bad ü'));
  assert.deepEqual([told.message, told.source, { ...told.data }], ['bad ü', 'HubException', { text: 'bad ü' }]);
  const crash = await failureOf(client.invoke('Crash', 'broken'));
  assert.deepEqual([crash.message, crash.source, crash.data], ['broken', 'Exception', undefined]);
  const missing = await failureOf(client.invoke('NoSuch'));
  assert.equal(missing.message, "'NoSuch' method could not be resolved. No method found with that name.");
  const wrong = await failureOf(client.invoke('Echo', 1, 2, 3));
  assert.match(wrong.message, /^'Echo' method could not be resolved\. Potential candidates are: \nEcho/);
  assert.equal(await client.invoke('Echo', 'goes on'), 'goes on');
  await client.stop();
  assert.deepEqual(client.errors, []);
}

async function stateAndProgress(stand, combination) {
  const client = await stand.connect(combination);
  const { state } = client.proxies.get('ChatHub');
  assert.equal(await client.invoke('State', 3), 0);
  assert.equal(state.counter, 3);
  assert.equal(await client.invoke('State', 4), 3);
  assert.equal(state.counter, 7);
  // The SDK cannot report progress. The other methods do it as a self-hosted server does, and as an answer beside the frames.
  for (const method of stand.self ? ['Progress'] : ['ProgressInside', 'ProgressBeside']) {
    client.progress = [];
    assert.equal(await client.invoke(method, 3), 3);
    // At a self-hosted server the answer goes another way than what is sent before, and may overtake it.
    const some = stand.self ? client.progress.length : 3;
    assert.deepEqual(client.progress, [0, 1, 2].slice(0, some), method);
  }
  if (!stand.self) {
    const refused = await failureOf(client.invoke('Progress', 3));
    assert.equal(refused.message, `Message c-${client.id} is not supported.`);
  }
  await client.stop();
  assert.deepEqual(client.errors, []);
}

export const callCases = (stand, one) => [
  [`${one.name}: C101 C102 ${beginning[one.transport]} C106 C108 C119 H84 start`, () => starts(stand, one)],
  [`${one.name}: C107 C115 H85 results`, () => results(stand, one)],
  [`${one.name}: C107 errors and HubException with data`, () => failures(stand, one)],
  [`${one.name}: C118 state and progress`, () => stateAndProgress(stand, one)],
];
