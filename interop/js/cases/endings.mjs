// How connections end and what the clients make of it: reasons, reconnects, restarts.
import assert from 'node:assert/strict';
import { TcpDetour } from '../lib/detour.mjs';
import { freshHub } from '../lib/world.mjs';
import { sleep, until } from '../lib/wait.mjs';

/** Less than the 15 s after which a client on long polling that says nothing any more is given up. */
const promptly = 10_000;
const quickly = [0, 20, 100, 300];
const patiently = [...quickly, ...Array(60).fill(500)];

async function closesWithReason(world, combination) {
  const client = await world.connect(combination, {}, { reconnect: quickly });
  const { id } = client;
  const lastWords = async () => assert.deepEqual(await client.inbox('news').next(), ['last words'], 'data before the close is delivered');
  await world.rest.toConnection(client.hub, id, 'news', ['last words']);
  // What two nodes are told is not ordered: the close may overtake the message.
  const several = Number(process.env.HUBGATE_NODES ?? 1) > 1;
  if (several) await lastWords();
  await world.rest.closeConnection(client.hub, id, 'go away');
  const { error } = await client.whenClosed();
  assert.match(error.message, /go away/);
  if (!several) await lastWords();
  await sleep(150);
  assert.equal(client.room.negotiates, 1, 'no reconnect');
  const path = `/hubs/${client.hub}/connections/${id}`;
  for (const method of ['DELETE', 'HEAD', 'GET']) {
    const again = await world.rest.call(method, path);
    assert.equal(again.status, 404, method);
    assert.equal(again.headers.get('x-ms-error-code'), 'Warning.Connection.NotExisted', method);
  }
}

async function closesAllButSome(world, combination) {
  const hub = freshHub();
  const user = 'many';
  const clients = [];
  for (let i = 0; i < 5; i++) clients.push(await world.connect(combination, { hub, user }));
  const [byHub, byGroup, byUser, spared, untouched] = clients;
  const others = (but) => clients.filter((client) => client !== but).map((client) => client.id);
  for (const client of clients) if (client !== untouched) await world.rest.joinGroup(hub, 'g', client.id);
  const closes = [
    [byGroup, '/groups/g', 'by group'],
    [byUser, '/users/many', 'by user'],
    [byHub, '', 'by hub'],
  ];
  for (const [client, where, reason] of closes) {
    await world.rest.closeConnections(hub, where, { reason, excluded: others(client) });
    assert.match((await client.whenClosed()).error.message, new RegExp(reason));
  }
  for (const client of [spared, untouched]) assert.equal(await client.invoke('Echo', 'spared'), 'spared');
  await Promise.all([spared.stop(), untouched.stop()]);
}

async function survivesDroppedTransport(world, combination) {
  const detour = await TcpDetour.to(world.gateway.port);
  try {
    const client = await world.connect(combination, { endpoint: detour.endpoint }, { reconnect: quickly });
    const first = client.id;
    await world.webhook.of(first).next();
    detour.drop();
    await client.reconnecting.next();
    const second = await client.reconnected.next();
    assert.notEqual(second, first);
    assert.equal(client.room.negotiates, 2, 'reconnects through the application');
    await world.rest.toConnection(client.hub, second, 'news', ['after']);
    assert.deepEqual(await client.inbox('news').next(), ['after']);
    if (combination.transport !== 'LongPolling') assert.equal((await world.webhook.of(first).next()).event, 'disconnected');
    await client.stop();
  } finally {
    detour.close();
  }
}

async function stopsCleanly(world, combination) {
  const client = await world.connect(combination);
  const { id } = client;
  await world.webhook.of(id).next();
  await client.stop();
  assert.equal((await client.whenClosed()).error, undefined);
  const event = await world.webhook.of(id).next(promptly);
  assert.deepEqual(event.message, { type: 11 }, 'a normal disconnect');
  await sleep(50);
  assert.deepEqual(world.webhook.of(id).values, [], 'exactly one');
  assert.equal((await world.rest.connectionExists(client.hub, id)).status, 404);
}

export function endingCases(world, combination) {
  const named = (name, body) => [`${combination.name}: ${name}`, () => body(world, combination)];
  const stop = combination.transport === 'LongPolling' ? 'C57 R54' : 'R54';
  return [
    named('C77 R29 REST close with reason, no reconnect', closesWithReason),
    named('R30 REST closes the connections of a hub, a group, a user, but those excluded', closesAllButSome),
    named('C39 automatic reconnect after a dropped transport', survivesDroppedTransport),
    named(`${stop} stop() is a normal disconnect`, stopsCleanly),
  ];
}

/** Clients of every kind live through a restart of the gateway. `world` is for this case alone. */
export function restartCase(world, combinations) {
  const body = async () => {
    const hub = freshHub();
    const clients = await Promise.all(combinations.map((one) => world.connect(one, { hub }, { reconnect: patiently })));
    assert.equal(await world.gateway.stop(), 0, 'exit code after SIGTERM');
    await world.gateway.launch();
    for (const [index, client] of clients.entries()) {
      const { name } = combinations[index];
      const { error } = await client.reconnecting.next();
      // A stream of events that passes another node ends with that node, which may be the first to end.
      const told = Number(process.env.HUBGATE_NODES ?? 1) === 1 || combinations[index].transport !== 'ServerSentEvents';
      if (told) assert.match(error?.message ?? '', /\w/, `${name} is told why`);
      await client.reconnected.next();
      assert.ok(client.room.negotiates >= 2, `${name} reconnects through the application`);
    }
    await world.rest.toAll(hub, 'news', ['back']);
    for (const client of clients) assert.deepEqual(await client.inbox('news').next(), ['back']);
    await until('every client can invoke', async () => {
      const answers = await Promise.all(clients.map((client) => client.invoke('Echo', 'x')));
      return answers.every((answer) => answer === 'x');
    });
    await Promise.all(clients.map((client) => client.stop()));
  };
  return ['all clients: C76 C78 automatic reconnect over a gateway restart', body];
}
