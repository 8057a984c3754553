// Ends: by the client, by the hub, with a hub server, with the gateway.
import assert from 'node:assert/strict';
import { until } from '../lib/wait.mjs';
import { Client, combinations } from './client.mjs';
import { AspNetServer } from './hubserver.mjs';
import { Raw } from './raw.mjs';
import { freshWord, Stand } from './stand.mjs';

const kindsOf = (events) => events.map(({ event }) => event);

async function stopped(stand, combination) {
  const client = await stand.connect(combination);
  await client.invoke('Echo', 'x');
  const [{ id }, raw] = [client, Raw.of(stand, client)];
  client.connection.stop();
  await client.whenEnded();
  assert.deepEqual(client.states, ['connecting', 'connected', 'disconnected']);
  assert.deepEqual(client.errors, []);
  const abort = await until('/abort is answered', () => client.to('abort').find(({ status }) => status !== undefined));
  // The client gives it a second.
  assert.deepEqual([abort.method, abort.status || 200, abort.texts.join('')], ['POST', 200, '']);
  if (!stand.self) {
    await until('the hub is told', async () => kindsOf(await stand.server.events(id)).join() === 'connected,disconnected');
    const answer = await raw.call('reconnect', { method: 'POST', transport: 'longPolling', body: 'messageId=0' });
    assert.equal(answer.status, 200);
    const { E, C, M } = await answer.json();
    assert.ok(E.length > 0, 'no reconnect is accepted');
    assert.deepEqual([typeof C, M], ['string', []]);
  }
  client.close();
}

/** A client that the hub does not want: it is told why, stops, and does not come again. */
async function refused(stand, combination, why, options) {
  const client = new Client(combination, options.url ?? stand.applicationUrl(stand.server), options);
  // The refusal may come before or after the end of start(). An application that waits for that does not wait in vain.
  const start = await client.start().catch((error) => error);
  assert.doesNotMatch(`${start?.message}`, /nothing after/);
  assert.equal(await client.whenEnded(), why);
  assert.ok(client.errors.includes(why), `${client.errors}`);
  assert.equal(client.to('reconnect').length + client.to('abort').length, 0);
  client.close();
}

async function closedByTheHub(stand, combination) {
  const client = await stand.connect(combination);
  await client.invoke('Echo', 'the hub server knows the client');
  await stand.server.control('POST', `open/${client.id}`);
  assert.equal(await client.invoke('Echo', 'opened twice'), 'opened twice');
  await stand.server.control('POST', `close/${client.id}?error=${encodeURIComponent('go away, ü')}`);
  assert.equal(await client.whenEnded(), 'go away, ü');
  assert.deepEqual(client.errors, ['go away, ü']);
  assert.equal(client.to('reconnect').length + client.to('abort').length, 0);
  client.close();
}

/** Which of two servers each client is on. */
async function serversOf(stand, clients) {
  await Promise.all(clients.map((client) => client.invoke('Nothing'))); // they know it by then
  const [one, two] = stand.servers;
  const where = await Promise.all(clients.map(async ({ id }) => ((await one.events(id)).length > 0 ? one : two)));
  const onOne = where.filter((server) => server === one).length;
  assert.ok(onOne > 1 && onOne < clients.length - 1, `the load is spread: ${onOne} of ${clients.length}`);
  return where;
}

async function serverKilled() {
  const stand = await Stand.behind([], { servers: 2 });
  const clients = await Promise.all(combinations.flatMap((one) => [stand.connect(one), stand.connect(one)]));
  const where = await serversOf(stand, clients);
  const [victim, survivor] = stand.servers;
  await victim.kill();
  for (const client of clients.filter((_, index) => where[index] === victim)) {
    assert.match(await client.whenEnded(), /\w/, 'the client is told why');
    assert.equal(client.to('reconnect').length, 0);
    client.close();
  }
  for (const client of clients.filter((_, index) => where[index] === survivor)) {
    assert.equal(await client.invoke('Echo', 'unharmed'), 'unharmed');
    assert.deepEqual(client.states, ['connecting', 'connected']);
    await client.stop();
  }
  await survivor.kill();
  stand.servers = [await AspNetServer.start(stand.gateway)];
  const client = await stand.connect(combinations[0]);
  assert.equal(await client.invoke('Echo', 'served again'), 'served again');
  await client.stop();
  assert.deepEqual(await stand.close(), [0, 0]);
}

/** With a grace period other connections, and other servers, take the clients. */
async function rehomed() {
  const stand = await Stand.behind(['--servers-grace-period', '1m'], { servers: 2 });
  const [victim, survivor] = stand.servers;
  const clients = await Promise.all(combinations.flatMap((one) => [stand.connect(one), stand.connect(one)]));
  const where = await serversOf(stand, clients);
  const onVictim = clients.filter((_, index) => where[index] === victim);
  const word = freshWord();
  await Promise.all(clients.map((client) => client.invoke('Join', word)));
  await onVictim[0].invoke('Broadcast', `${word}across`);
  await Promise.all(clients.map((client) => client.hears(`${word}across`)));

  await victim.control('POST', `cut/${onVictim[0].id}`);
  await until('the client is opened again', async () => kindsOf([...await victim.events(onVictim[0].id), ...await survivor.events(onVictim[0].id)]).filter((kind) => kind === 'connected').length === 2);
  assert.equal(await onVictim[0].invoke('Echo', 'on another connection'), 'on another connection');

  const pending = onVictim.map((client) => client.call('ChatHub', 'Slow', 100_000).then(() => 'answered', (error) => error.message));
  await victim.kill();
  for (const answer of await Promise.all(pending)) assert.match(answer, /\w/);
  for (const client of clients) {
    assert.equal(await client.invoke('Echo', 'held'), 'held');
    assert.deepEqual(client.states, ['connecting', 'connected'], 'the client has noticed nothing');
    assert.deepEqual(kindsOf(await survivor.events(client.id)).at(-1), 'connected');
  }
  await clients[0].invoke('ToGroup', word, `${word}group`);
  for (const client of clients) {
    await client.hears(`${word}group`);
    assert.deepEqual(client.heardOf(word), [`${word}across`, `${word}group`]);
  }
  await Promise.all(clients.map((client) => client.stop()));
  assert.deepEqual(await stand.close(), [0, 0], 'exit codes of the hub server and the gateway');
}

async function gatewayRestarts() {
  const stand = await Stand.behind();
  const clients = await Promise.all(combinations.map((one) => stand.connect(one)));
  assert.equal(await stand.gateway.stop(), 0);
  for (const client of clients) {
    if (client.transport === 'longPolling') {
      await until('T:1', () => client.frames.some(({ T }) => T === 1));
      await until('/reconnect', () => client.to('reconnect').length > 0);
    } else {
      assert.ok(client.to('connect')[0].texts.every((text) => !/"[ET]":/.test(text)), 'the transport just ends');
    }
  }
  await stand.gateway.launch();
  for (const client of clients) {
    // The new gateway does not know the connection: the application starts again.
    assert.match(await client.whenEnded(), /\w/);
    await until('the application is connected again', () => client.start().then(() => true, () => false));
    assert.equal(await client.invoke('Echo', 'started again'), 'started again');
    await client.stop();
  }
  assert.deepEqual(await stand.close(), [0, 0]);
}

export const endCases = (stand, one) => {
  const cases = [[`${one.name}: C112 stop`, () => stopped(stand, one)]];
  if (stand.self) return cases;
  return [
    ...cases,
    [`${one.name}: C116 H88 closed by the hub; opened twice`, () => closedByTheHub(stand, one)],
    [`${one.name}: C116 refused: a hub that nobody has`, () => refused(stand, one, "'nosuch' Hub could not be resolved.", { hubs: ['nosuch'], url: stand.lenientUrl() })],
    [`${one.name}: C116 refused: a hub for others`, () => refused(stand, one, 'Unable to authorize request', { hubs: ['secretHub'], url: stand.lenientUrl() })],
    [`${one.name}: C116 refused: nobody serves the application`, () => refused(stand, one, 'No hub server is connected that could take the client. Please try again later.', { url: stand.lenientUrl('nobody') })],
    [`${one.name}: C116 refused: OnConnected fails`, () => refused(stand, one, 'boom in OnConnected', { query: { boom: 1 } })],
  ];
};

/** Each has a gateway of its own. */
export const worldCases = [
  ['all clients: C116 kill -9 of the hub server: clients are told and stop', serverKilled],
  ['all clients: H84 H88 kill -9 with a grace period: another server takes the clients', rehomed],
  ['all clients: C120 the gateway restarts', gatewayRestarts],
];
