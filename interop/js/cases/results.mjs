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
