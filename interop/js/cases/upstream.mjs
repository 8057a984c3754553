// What an invocation comes to, by the upstream's answer or by the lack of an upstream.
import assert from 'node:assert/strict';
import { completion } from '../lib/webhook.mjs';
import { sleep, until } from '../lib/wait.mjs';
import { freshHub } from '../lib/world.mjs';

async function outcomes(world, combination) {
  const client = await world.connect(combination);
  const on = (name, handler) => world.webhook.on(`${client.hub}/${name}`, handler);
  on('Framed', (event) => ({ status: 200, body: completion(event, { result: 'r' }) }));
  on('Failing', (event) => ({ status: 200, body: completion(event, { error: 'no luck' }) }));
  on('Empty', () => ({ status: 200, headers: { 'Content-Length': '0' } }));
  on('Chunked', () => ({ status: 200 }));
  on('NoContent', () => ({ status: 204 }));
  on('NotFound', () => ({ status: 404, body: 'nothing here' }));
  on('Broken', () => ({ status: 500 }));
  assert.equal(await client.invoke('Framed'), 'r');
  await assert.rejects(client.invoke('Failing'), /no luck/);
  for (const name of ['Empty', 'Chunked', 'NoContent']) assert.equal((await client.invoke(name)) ?? undefined, undefined);
  await assert.rejects(client.invoke('NotFound'), /status code 404/);
  await assert.rejects(client.invoke('Broken'), /status code 500/);
  await client.send('Broken');
  assert.equal(await client.invoke('Framed'), 'r', 'after a failed send');
  await client.stop();
}

async function streamIsRefused(world, combination) {
  const client = await world.connect(combination);
  const end = new Promise((resolve, reject) => {
    client.connection.stream('Count', 3).subscribe({ next: () => reject(new Error('an item')), complete: () => reject(new Error('completed')), error: resolve });
  });
  assert.match((await end).message, /\w/);
  assert.equal(await client.invoke('Echo', 1), 1, 'the connection stays');
  await client.stop();
}

async function rejectsByUpstream(world, combination) {
  for (const status of [401, 403]) {
    const hub = freshHub('refusing');
    // Answered at once: on Server-Sent Events a Close record in the middle of start() would leave these clients hanging.
    world.webhook.on(`${hub}/connected`, () => ({ status, body: 'not you' }));
    let client;
    try {
      client = await world.connect(combination, { hub }, { reconnect: [0, 50] });
    } catch (refused) {
      // The Close record came while start() was still under way: it rejects with the reason, and nothing reconnects.
      assert.match(refused.message, /Server returned an error on close/);
      continue;
    }
    const { id } = client;
    const { error } = await client.whenClosed();
    assert.ok(error, 'closed with an error');
    assert.equal(client.room.negotiates, 1, 'no reconnect');
    assert.equal((await world.webhook.of(id).next()).event, 'connected');
    await sleep(100);
    assert.deepEqual(world.webhook.of(id).values, [], 'no disconnected event');
  }
}

export function upstreamCases(world, combination) {
  const named = (name, body) => [`${combination.name}: ${name}`, () => body(world, combination)];
  return [
    named('C87 R69 R70 R71 R73 outcomes of a webhook', outcomes),
    named('C88 stream() is answered by an error and the connection stays', streamIsRefused),
    named('R74 an upstream refuses a client with 401 and 403', rejectsByUpstream),
  ];
}

/** `world` has an upstream for the hub "known", one that nobody listens on for "unreachable", and a timeout of one second. */
export function boundedUpstreamCases(world, combination) {
  const named = (name, body) => [`${combination.name}: ${name}`, () => body(world, combination)];
  return [
    named('C89 R63 invoke that no template matches is answered by an error', async () => {
      const client = await world.connect(combination);
      const { id } = client;
      await assert.rejects(client.invoke('Echo', 1), /upstream/i);
      await assert.rejects(client.invoke('Echo', 2), /upstream/i, 'the connection lives');
      await client.stop();
      assert.deepEqual(world.webhook.of(id).values, [], 'nobody was called');
    }),
    named('R71 an upstream that refuses connections', async () => {
      const client = await world.connect(combination, { hub: 'unreachable' });
      await assert.rejects(client.invoke('Echo', 1), /500/);
      await assert.rejects(client.invoke('Echo', 2), /500/, 'the connection lives');
      await client.stop();
    }),
    named('C87 R75 a webhook that never answers', async () => {
      const client = await world.connect(combination, { hub: 'known' });
      world.webhook.on('Silence', () => sleep(5_000));
      await assert.rejects(client.invoke('Silence'), /\w/);
      // This webhook has a second to answer, which a busy machine may not give it.
      await until('the connection stays', async () => await client.invoke('Echo', 1).catch(() => 0) === 1);
      await client.stop();
    }),
  ];
}
