// Applications ask clients for results, over REST (:invoke).
import assert from 'node:assert/strict';
import { sleep } from '../lib/wait.mjs';
import { freshHub } from '../lib/world.mjs';

/** Has the world's gateway invoke a client. */
async function ask(world, client, target, args, expect = 200) {
  const path = `/hubs/${client.hub}/connections/${encodeURIComponent(client.id)}/:invoke`;
  const { text } = await world.rest.call('POST', path, { body: JSON.stringify({ target, arguments: args }), expect });
  return JSON.parse(text);
}

async function values(world, combination) {
  const client = await world.connect(combination);
  client.connection.on('echo', (value) => value);
  client.connection.on('later', async (value) => {
    await sleep(20);
    return value;
  });
  client.connection.on('nothing', () => null);
  for (const value of ['é😀', 7, -1, 1.5, true, null, [1, ['a']], { z: 1, a: { b: null } }, 'x'.repeat(100_000)]) {
    assert.deepEqual(await ask(world, client, 'echo', [value]), { result: value, protocol: combination.protocol });
    assert.deepEqual((await ask(world, client, 'later', [value])).result, value);
  }
  assert.equal((await ask(world, client, 'nothing', [])).result, null);
  if (combination.protocol === 'messagepack') {
    client.connection.on('bytes', () => new Uint8Array([1, 2, 255]));
    assert.equal((await ask(world, client, 'bytes', [])).result, 'AQL/');
  }
  const many = [...Array(30).keys()];
  const answers = await Promise.all(many.map((i) => ask(world, client, i % 2 ? 'echo' : 'later', [i])));
  assert.deepEqual(answers.map(({ result }) => result), many);
  await client.stop();
}

async function failures(world, combination) {
  const client = await world.connect(combination);
  client.connection.on('fails', () => {
    throw new Error('out of ink');
  });
  assert.match((await ask(world, client, 'fails', [], 400)).message, /out of ink/);
  assert.match((await ask(world, client, 'unknown', [], 400)).message, /\w/);
  client.connection.on('silent', () => new Promise(() => {}));
  const gone = ask(world, client, 'silent', [], 404);
  await sleep(50);
  await client.stop();
  assert.equal((await gone).code, 'Error.Connection.NotExisted');
  await ask(world, client, 'silent', [], 404);
}

/** A webhook asks the very client that waits for it, and the other way round. */
async function fromItsWebhook(world, combination) {
  const hub = freshHub('asking');
  const client = await world.connect(combination, { hub });
  client.connection.on('name', () => 'Ann');
  world.webhook.on(`${hub}/Greet`, async () => ({ result: `Hello ${(await ask(world, client, 'name', [])).result}` }));
  assert.equal(await client.invoke('Greet'), 'Hello Ann');
  client.connection.on('nested', () => client.connection.invoke('Greet'));
  assert.equal((await ask(world, client, 'nested', [])).result, 'Hello Ann');
  await client.stop();
}

export function resultCases(world, combination) {
  const named = (name, body) => [`${combination.name}: ${name}`, () => body(world, combination)];
  return [
    named('R42 :invoke returns what the client returns', values),
    named('R42 :invoke of a client that fails, is silent or leaves', failures),
    named('R42 a webhook invokes the client that waits for it', fromItsWebhook),
  ];
}

/** A client asks for a stream, and the application sends it over REST. */
async function streams(world, combination) {
  const hub = freshHub('streaming');
  const client = await world.connect(combination, { hub });
  const post = (stream, action, query, body) => world.rest.call('POST', `/hubs/${hub}/connections/${encodeURIComponent(client.id)}/streams/${stream}/:${action}`,
    { query, body: body === undefined ? undefined : JSON.stringify(body), expect: 202 });
  const asked = [];
  world.webhook.on(`${hub}/Count`, (event) => {
    asked.push(event.message);
    return { status: 204 };
  });
  const subscribe = (...args) => new Promise((resolve) => {
    const items = [];
    client.connection.stream('Count', ...args).subscribe({ next: (item) => items.push(item), complete: () => resolve({ items }), error: ({ message }) => resolve({ items, message }) });
  });
  const whole = subscribe(3);
  while (asked.length < 1) await sleep(5);
  assert.equal(asked[0].type, 4);
  assert.deepEqual(asked[0].arguments, [3]);
  const id = asked[0].invocationId;
  await post(id, 'send', {}, { n: 1 });
  await post(id, 'send', {}, [2]);
  await post(id, 'send', { completed: 'true' }, 'three');
  assert.deepEqual(await whole, { items: [{ n: 1 }, [2], 'three'] });
  for (const name of ['error', 'reason']) {
    const failing = subscribe();
    while (asked.length < 2) await sleep(5);
    const stream = asked[1].invocationId;
    await post(stream, 'send', {}, 1);
    await post(stream, 'complete', { [name]: 'no more' });
    const { items, message } = await failing;
    assert.match(message, /no more/);
    assert.deepEqual(items, [1]);
    asked.length = 1;
  }
  await client.stop();
}

/** `world` calls webhooks for streams (--upstream-streams). */
export function streamCases(world, combination) {
  return [[`${combination.name}: R43 a stream that REST sends`, () => streams(world, combination)]];
}
