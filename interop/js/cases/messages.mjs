// What connected clients send and receive: webhooks in one direction, REST in the other.
import assert from 'node:assert/strict';
import { freshHub } from '../lib/world.mjs';

/** The claims in X-ASRS-User-Claims as Azure Functions reads them: parts at commas, each a name and a value. */
const claimNames = (header) =>
  header.split(',').map((part) => part.split(': ')).filter((pair) => pair.length === 2).map(([name]) => name.trim());

const unicode = 'Grüße, Ελληνικά, 日本語, 🚀, \u0000\u001e\u2028"\\';

async function connects(world, combination) {
  const user = 'änna/1';
  const client = await world.connect(combination, { user, claims: { role: 'editor', note: 'x, admin: yes' }, query: '&room=blue%20sky' });
  const { id } = client;
  assert.match(id, /^[A-Za-z0-9_-]+$/);
  const connected = await world.webhook.of(id).next();
  assert.equal(`${connected.category}/${connected.event}`, 'connections/connected');
  assert.equal(connected.contentType, 'application/json');
  assert.deepEqual(connected.message, { type: 10 });
  assert.equal(connected.userId, user);
  assert.equal(connected.hub, client.hub);
  assert.match(connected.query, /^\?.*room=blue%20sky|^\?.*room=blue\+sky/);
  assert.doesNotMatch(connected.query, /access_token/);
  assert.match(connected.claims, /role: editor/);
  assert.doesNotMatch(connected.claims, /asrs\.s\./);
  assert.ok(!claimNames(connected.claims).includes('admin'), 'a comma in a value makes a claim');
  await client.stop();
  const disconnected = await world.webhook.of(id).next();
  assert.equal(disconnected.event, 'disconnected');
  assert.equal(disconnected.contentType, 'application/json');
  assert.deepEqual(disconnected.message, { type: 11 });
}

async function invokesAndSends(world, combination) {
  const client = await world.connect(combination);
  const events = world.webhook.of(client.id);
  assert.equal((await events.next()).userId, undefined);
  const args = [unicode, 1, -5, 2.5, true, null, ['a', []], { b: { z: 1, a: 2 } }];
  if (combination.protocol === 'messagepack') args.push(Uint8Array.from({ length: 256 }, (_, i) => i));
  assert.deepEqual(await client.invoke('EchoAll', ...args), args);
  const invoked = await events.next();
  assert.match(invoked.message.invocationId, /./);
  assert.equal(invoked.contentType, combination.protocol === 'json' ? 'application/json' : 'application/x-msgpack');
  assert.equal(invoked.category, 'messages');
  await client.send('Told', unicode);
  const told = await events.next();
  assert.equal(told.event, 'Told');
  assert.deepEqual(told.message.arguments, [unicode]);
  assert.equal(told.message.invocationId ?? undefined, undefined);
  await client.stop();
}

const severalNodes = Number(process.env.HUBGATE_NODES ?? 1) > 1;

/** What one sender sends at several nodes is not ordered: then messages are compared without their order. */
const inOrder = (messages) => (severalNodes ? messages.map((one) => JSON.stringify(one)).sort() : messages);

async function receivesFromRest(world, combination) {
  const hub = freshHub();
  const user = 'user ü/1';
  const a = await world.connect(combination, { hub, user });
  const b = await world.connect(combination, { hub });
  const { rest } = world;
  await rest.toAll(hub, 'news', ['all', unicode]);
  assert.deepEqual(await a.inbox('news').next(), ['all', unicode]);
  assert.deepEqual(await b.inbox('news').next(), ['all', unicode]);
  await rest.toAll(hub, 'news', ['not a'], { excluded: [a.id] });
  await rest.toUser(hub, user, 'news', ['user']);
  await rest.joinGroup(hub, 'g /%+1', b.id);
  await rest.toGroup(hub, 'g /%+1', 'news', ['group']);
  // Another node may carry out the leave, before this message has come to that of the client.
  const early = severalNodes ? [await b.inbox('news').next(), await b.inbox('news').next()] : [];
  await rest.leaveGroup(hub, 'g /%+1', b.id);
  await rest.toGroup(hub, 'g /%+1', 'news', ['nobody']);
  await rest.toConnection(hub, a.id, 'news', ['connection']);
  await rest.toUser(hub, 'nobody', 'news', ['unknown']);
  await rest.toGroup(hub, 'nothing', 'news', ['unknown']);
  await rest.toConnection(hub, 'none', 'news', ['unknown']);
  await rest.toAll(freshHub(), 'news', ['unknown']);
  await rest.toAll(hub, 'news', []);
  const got = async (client, before = []) => {
    const all = [...before];
    while (all.length < 3) all.push(await client.inbox('news').next());
    return inOrder(all);
  };
  assert.deepEqual(await got(a), inOrder([['user'], ['connection'], []]));
  assert.deepEqual(await got(b, early), inOrder([['not a'], ['group'], []]));
  await Promise.all([a.stop(), b.stop()]);
}

async function keepsNumbers(world, combination) {
  const client = await world.connect(combination);
  const args = [7, 300, -1, -129, 65536, 4294967296, -4294967297, 9007199254740991, 1.5, 0.1, { z: 1, a: [2], m: {} }, true, null];
  await world.rest.toAll(client.hub, 'news', args);
  const got = await client.inbox('news').next();
  assert.deepEqual(got, args);
  assert.equal(JSON.stringify(got), JSON.stringify(args), 'order of members');
  // 7, 300, -1, -129, 65536 as MessagePack integers of the smallest width, not as floats
  if (client.bytes) assert.ok(client.bytes.some((b) => b.includes('07cd012cffd1ff7fce00010000', 0, 'hex')), 'integers became something else');
  await client.stop();
}

async function carriesBigMessages(world, combination) {
  const client = await world.connect(combination);
  for (const size of [64 << 10, 1_000_000]) {
    const text = 'ß'.repeat(10) + 'x'.repeat(size - 20);
    assert.equal(await client.invoke('Echo', text), text, `echo of ${size} bytes`);
    await world.rest.toConnection(client.hub, client.id, 'news', [text]);
    assert.deepEqual(await client.inbox('news').next(), [text], `REST message of ${size} bytes`);
  }
  await client.stop();
}

async function ordersUpstream(world, combination) {
  const client = await world.connect(combination);
  const events = world.webhook.of(client.id);
  await events.next();
  for (let i = 0; i < 1000; i += 50) {
    const batch = Array.from({ length: 50 }, (_, j) => client.invoke('Echo', i + j));
    await Promise.all(batch);
  }
  for (let i = 0; i < 1000; i++) assert.deepEqual((await events.next()).message.arguments, [i]);
  await client.stop();
}

/** The webhook holds its answer until the client has received what the webhook sent to it by REST. */
async function isReachedWhileItsWebhookIsPending(world, combination) {
  const client = await world.connect(combination);
  world.webhook.on(`${client.hub}/AskMe`, async (event) => {
    await world.rest.toConnection(event.hub, event.connectionId, 'news', ['while pending']);
    const [word] = await client.inbox('news').next();
    return { result: word };
  });
  assert.equal(await client.invoke('AskMe'), 'while pending');
  await client.stop();
}

export function messageCases(world, combination) {
  const named = (name, body) => [`${combination.name}: ${name}`, () => body(world, combination)];
  return [
    named('C01 C06 R53 R54 R59 R60 connect, webhooks connected and disconnected', connects),
    named(`C82 R55 R56 R69 ${combination.transport === 'LongPolling' ? 'C61 ' : ''}invoke and send through a webhook`, invokesAndSends),
    named('R22 R25 R31 receive from REST: broadcast, excluded, user, group, connection, unknown ones', receivesFromRest),
    named('C90 R24 numbers and member order of JSON bodies survive', keepsNumbers),
    named('C34 messages of 64 KB and 1 MB both ways', carriesBigMessages),
    named('R75 1000 invocations reach the webhook in order', ordersUpstream),
    named('R75 a pending webhook reaches its very client by REST', isReachedWhileItsWebhookIsPending),
  ];
}

/** One hub with a client of every kind receives 1000 broadcasts. */
export function broadcastCase(world, combinations) {
  const body = async () => {
    const hub = freshHub();
    const clients = await Promise.all(combinations.map((one) => world.connect(one, { hub })));
    for (let i = 0; i < 1000; i++) await world.rest.toAll(hub, 'news', [i]);
    for (const [index, client] of clients.entries()) {
      const seen = [];
      for (let i = 0; i < 1000; i++) seen.push((await client.inbox('news').next())[0]);
      if (severalNodes) seen.sort((a, b) => a - b);
      for (let i = 0; i < 1000; i++) assert.equal(seen[i], i, combinations[index].name);
    }
    await Promise.all(clients.map((client) => client.stop()));
  };
  return ['all clients: C53 C90 1000 REST broadcasts arrive in order', body];
}

/** Long silence: pings both ways must keep the client; long polling needs none. */
export function idleCase(world, combination) {
  const body = async () => {
    const client = await world.connect(combination);
    const ended = client.closed.then(({ error }) => {
      throw new Error(`closed while idle: ${error?.message}`);
    });
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 37_000))]);
    ended.catch(() => {});
    assert.equal(await client.invoke('Echo', 'still here'), 'still here');
    await client.stop();
  };
  return [`${combination.name}: C68 stays connected through 37 s of silence`, body];
}

