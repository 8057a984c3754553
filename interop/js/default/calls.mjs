// What one client and its hub server say to each other: identity, calls of every kind, streams, errors, ends.
import assert from 'node:assert/strict';
import { until } from '../lib/wait.mjs';

const unicode = 'Grüße, Ελληνικά, 日本語, 🚀, \u0000\u001e\u2028"\\';
const quickly = [0, 20, 100, 300];

async function knowsItsCaller(world, combination) {
  const claims = ['role:editor', 'role:admin', 'colour:blue, green', 'level:7:8'];
  const client = await world.atServer(combination, { user: 'änna/1', claim: claims, welcome: 'hello', 'room x': 'a&b=ü' });
  assert.deepEqual(await client.inbox('welcome').next(), ['hello'], 'sent by OnConnected');
  const me = await client.invoke('WhoAmI');
  const of = (name) => me[name] ?? me[name[0].toUpperCase() + name.slice(1)];
  assert.equal(of('connectionId'), client.id);
  assert.equal(of('user'), 'änna/1');
  assert.equal(of('path'), '/test');
  assert.match(of('remoteIp'), /127\.0\.0\.1/);
  const query = new URLSearchParams(of('query'));
  assert.equal(query.get('room x'), 'a&b=ü');
  assert.ok(query.get('asrs_request_id'), 'H56');
  assert.equal(query.get('access_token'), null);
  const have = of('claims');
  for (const [type, value] of [['role', 'editor'], ['role', 'admin'], ['colour', 'blue, green'], ['level', '7:8']]) {
    assert.ok(have.some((one) => one.endsWith(`${type}=${value}`)), `claim ${type}=${value} in ${have}`);
  }
  assert.ok(!have.some((one) => one.startsWith('asrs.')), `${have}`);
  const { id } = client;
  assert.deepEqual((await world.server.events(id)).map((one) => [one.event, one.user]), [['connected', 'änna/1']]);
  await client.stop();
  await until('the hub sees the disconnect', async () => (await world.server.events(id)).length > 1);
  const [, gone] = await world.server.events(id);
  assert.deepEqual([gone.event, gone.error ?? null], ['disconnected', null], 'a normal disconnect');
}

async function anonymous(world, combination) {
  const client = await world.atServer(combination, {});
  const me = await client.invoke('WhoAmI');
  assert.equal((me.user ?? me.User) || null, null);
  await client.stop();
}

async function calls(world, combination) {
  const client = await world.atServer(combination);
  assert.equal(await client.invoke('Echo', unicode), unicode);
  assert.equal(await client.invoke('Echo', ''), '');
  assert.equal(await client.invoke('Add', 2, -5), -3);
  assert.equal((await client.invoke('Nothing')) ?? null, null);
  for (const value of ['text', 7, -129, 4294967296, 1.5, true, null, ['a', [1, null]], { b: { z: 1, a: 2 } }]) {
    assert.deepEqual(await client.invoke('EchoAny', value), value);
  }
  const bytes = Uint8Array.from({ length: 300 }, (_, i) => i);
  if (combination.protocol === 'json') {
    const text = Buffer.from(bytes).toString('base64');
    assert.equal(await client.invoke('EchoBytes', text), text);
  } else {
    assert.deepEqual(Uint8Array.from(await client.invoke('EchoBytes', bytes)), bytes);
  }
  await client.send('EchoBack', 'no answer wanted');
  assert.deepEqual(await client.inbox('echo').next(), ['no answer wanted']);
  const slow = client.invoke('Slow', 300);
  assert.equal(await client.invoke('Echo', 'meanwhile'), 'meanwhile', 'invocations run side by side');
  assert.equal(await slow, 'done');
  const many = Array.from({ length: 500 }, (_, i) => client.invoke('Add', i, 1));
  assert.deepEqual(await Promise.all(many), many.map((_, i) => i + 1));
  await client.stop();
}

async function bigMessages(world, combination) {
  const client = await world.atServer(combination);
  for (const size of [64 << 10, 1_000_000]) {
    const text = 'ß'.repeat(10) + 'x'.repeat(size - 20);
    assert.equal(await client.invoke('Echo', text), text, `${size} bytes`);
  }
  await client.stop();
}

async function errors(world, combination) {
  const client = await world.atServer(combination);
  await assert.rejects(client.invoke('Fail', `no luck ${unicode}`), (e) => e.message.includes(`no luck ${unicode}`));
  await assert.rejects(client.invoke('Crash', 'secret'), /invoking 'Crash'/);
  await assert.rejects(client.invoke('NoSuchMethod'), /./);
  await assert.rejects(client.invoke('Add', 1), /./);
  await assert.rejects(client.invoke('Add', 'x', []), /./);
  await client.send('Fail', 'nobody asked');
  assert.equal(await client.invoke('Echo', 'still here'), 'still here');
  await client.stop();
}

/** Resolves to {items, error} when the stream has ended. */
function collect(stream) {
  const items = [];
  return new Promise((resolve) => {
    stream.subscribe({ next: (item) => items.push(item), complete: () => resolve({ items }), error: (error) => resolve({ items, error }) });
  });
}

async function streams(world, combination) {
  const client = await world.atServer(combination);
  const { connection } = client;
  const upTo = (n) => Array.from({ length: n }, (_, i) => i);
  assert.deepEqual(await collect(connection.stream('Count', 1000, 0)), { items: upTo(1000) });
  assert.deepEqual(await collect(connection.stream('Count', 0, 0)), { items: [] });
  assert.deepEqual(await collect(connection.stream('Letters', 'häß')), { items: ['h', 'ä', 'ß'] });
  const broken = await collect(connection.stream('Letters', 'ab!'));
  assert.deepEqual(broken.items, ['a', 'b', '!']);
  assert.match(broken.error.message, /the stream failed/);
  await assert.rejects(client.invoke('Count', 3, 0), /./, 'a stream is not invoked');

  const cancelled = [];
  await new Promise((resolve, reject) => {
    const subscription = connection.stream('Count', 1_000_000, 5).subscribe({
      next: (item) => {
        cancelled.push(item);
        if (item === 3) {
          subscription.dispose();
          resolve();
        }
      },
      error: reject,
      complete: () => reject(new Error('the stream ended')),
    });
  });
  assert.equal(await client.invoke('Echo', 'after the cancellation'), 'after the cancellation');
  assert.deepEqual(cancelled, [0, 1, 2, 3], 'nothing comes after the cancellation');
  await client.stop();
}

async function uploads(world, combination) {
  const client = await world.atServer(combination);
  const { connection } = client;
  const numbers = Array.from({ length: 200 }, (_, i) => i + 1);
  const upload = (items, end) => {
    const subject = client.subject();
    // The invocation has to go out before the items do.
    setTimeout(() => {
      for (const item of items) subject.next(item);
      end(subject);
    });
    return subject;
  };
  assert.equal(await client.invoke('Sum', upload(numbers, (s) => s.complete())), 20_100);
  assert.equal(await client.invoke('Sum', upload([], (s) => s.complete())), 0);
  const doubled = await collect(connection.stream('Double', upload(numbers, (s) => s.complete())));
  assert.deepEqual(doubled, { items: numbers.map((n) => 2 * n) });
  await assert.rejects(client.invoke('Sum', upload([1], (s) => s.error(new Error('ran dry')))), /./);
  assert.equal(await client.invoke('Echo', 'still here'), 'still here');
  await client.stop();
}

async function abortedByTheHub(world, combination) {
  const client = await world.atServer(combination, { user: 'aborted' }, { reconnect: quickly });
  const other = await world.atServer(combination);
  const { id } = client;
  client.send('AbortMe').catch(() => {});
  await client.whenClosed();
  await until('the hub sees the disconnect', async () => (await world.server.events(id)).length > 1);
  assert.deepEqual((await world.server.events(id)).map((one) => one.event), ['connected', 'disconnected']);
  assert.equal((await world.rest.connectionExists(world.server.hub, id)).status, 404);
  assert.equal(await other.invoke('Echo', 'unharmed'), 'unharmed');
  await other.stop();
}

async function closedByRest(world, combination) {
  const client = await world.atServer(combination, {}, { reconnect: quickly });
  const { id } = client;
  const { hub } = world.server;
  await world.rest.toConnection(hub, id, 'news', ['last words']);
  await world.rest.closeConnection(hub, id, 'go away');
  assert.match((await client.whenClosed()).error.message, /go away/);
  assert.deepEqual(await client.inbox('news').next(), ['last words'], 'data before the close is delivered');
  await until('the hub sees the disconnect', async () => (await world.server.events(id)).length > 1);
  assert.deepEqual((await world.server.events(id)).map((one) => one.event), ['connected', 'disconnected']);
}

export function callCases(world, combination) {
  const named = (name, body) => [`${combination.name}: ${name}`, () => body(world, combination)];
  const opened = combination.protocol === 'json' ? 'H33' : 'H34';
  return [
    named(`${opened} H35 H38 H41 H42 H43 H44 H56 user, claims, query, path, address; OnDisconnected once`, knowsItsCaller),
    named('H39 a client without user', anonymous),
    named('C01 H48 H57 H68 invoke and send, arguments and results of every type, 500 at a time', calls),
    named('H49 messages of 64 KB and 1 MB both ways', bigMessages),
    named('hub errors, crashes, unknown methods and wrong arguments are the call\'s, not the connection\'s', errors),
    named('C83 streams from the hub, their errors and their cancellation', streams),
    named('C84 streams to the hub, both ways at once, and their errors', uploads),
    named('H44 H45 Context.Abort', abortedByTheHub),
    named('H66 C77 REST close of a client behind a hub server, with reason, no reconnect', closedByRest),
  ];
}
