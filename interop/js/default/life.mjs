// Hub servers that come, crash, shut down and hand over their clients; a gateway that restarts.
import assert from 'node:assert/strict';
import { OneEventSource } from '../lib/clients.mjs';
import { sleep, until } from '../lib/wait.mjs';
import { Traffic } from './traffic.mjs';
import { answers, World } from './world.mjs';

const patiently = [0, 20, 100, 300, ...Array(60).fill(500)];

const severalNodes = Number(process.env.HUBGATE_NODES ?? 1) > 1;

/** Connects clients of every kind; with `reconnect` they come back by themselves. */
const crowd = (world, combinations, hub, options = { reconnect: patiently }) =>
  Promise.all(combinations.map((one) => world.connect(one, { hub }, options)));

/** Says for each client which server it is on. */
const serversOf = (clients) => Promise.all(clients.map((client) => client.invoke('ServerName')));

async function twoServers(world, combinations) {
  const [one, two] = await world.servers(2);
  const clients = await crowd(world, combinations, one.hub);
  const where = await serversOf(clients);
  for (const server of [one, two]) assert.ok(where.filter((name) => name === server.name).length > 4, `the load is spread: ${where}`);
  const all = async (text) => {
    for (const client of clients) assert.deepEqual(await client.inbox('news').next(), [text]);
  };
  for (const server of [one, two]) {
    await server.control('POST', 'broadcast', { method: 'news', message: `from ${server.name}` });
    await all(`from ${server.name}`);
  }
  const a = clients[where.indexOf(one.name)], b = clients[where.indexOf(two.name)];
  for (const client of [a, b]) await client.invoke('Join', 'both');
  await a.invoke('OthersInGroup', 'both', 'news', 'from a');
  assert.deepEqual(await b.inbox('news').next(), ['from a']);
  await two.control('PUT', `group/late/${a.id}`);
  await two.control('POST', 'group/late', { method: 'news', message: 'joined by the other server' });
  assert.deepEqual(await a.inbox('news').next(), ['joined by the other server']);
  for (const [from, to] of [[a, b], [b, a]]) {
    answers(to, 'question', (word) => `answer to ${word}`);
    assert.equal(await from.invoke('Ask', to.id, 'question', 'ü'), 'answer to ü');
  }
  for (const client of clients) assert.deepEqual(client.inbox('news').values, [], 'nothing twice');
  await Promise.all(clients.map((client) => client.stop()));
}

async function killed(world, combinations) {
  const [victim, survivor] = await world.servers(2);
  const clients = await crowd(world, combinations, victim.hub);
  const where = await serversOf(clients);
  const ids = clients.map((client) => client.id);
  await victim.kill();
  for (const [index, client] of clients.entries()) {
    if (where[index] !== victim.name) continue;
    assert.match((await client.reconnecting.next()).error.message, /\w/, 'the client is told why');
    assert.notEqual(await client.reconnected.next(), ids[index]);
  }
  for (const [index, client] of clients.entries()) {
    assert.equal(await client.invoke('ServerName'), survivor.name);
    if (where[index] === survivor.name) assert.equal(client.id, ids[index], 'clients of the other server are unharmed');
  }
  await Promise.all(clients.map((client) => client.stop()));
}

async function lastServerGone(world, combinations) {
  const [server] = await world.servers(1);
  const client = await world.connect(combinations[0], { hub: server.hub });
  await server.kill();
  await client.whenClosed();
  for (const one of combinations) await assert.rejects(world.connect(one, { hub: server.hub }), /No hub server/, one.name);
}

/** Clients that invoke all the time while their server shuts down with migration. */
async function migrated(world, combinations) {
  const [leaving, staying] = await world.servers(2, { shutdown: 'migrate' });
  const clients = await crowd(world, combinations, leaving.hub, {});
  const [where, ids] = [await serversOf(clients), clients.map((client) => client.id)];
  await clients[where.indexOf(leaving.name)].invoke('Join', 'kept');
  const traffic = clients.map((client, index) => new Traffic(client, combinations[index].transport === 'WebSockets' ? 5 : 40));
  await sleep(500);
  assert.equal(await leaving.stop(), 0, 'exit code');
  await sleep(500);
  const errors = (await Promise.all(traffic.map((one) => one.stop()))).flat();
  assert.deepEqual(errors, [], 'each invocation ran once and has its result');
  for (const [index, client] of clients.entries()) {
    assert.equal(await client.invoke('ServerName'), staying.name);
    assert.equal(client.id, ids[index], 'the client has noticed nothing');
    if (where[index] === leaving.name) {
      const [opened] = await staying.events(client.id);
      assert.equal(opened.event, 'connected');
      assert.ok(opened.migrated, 'the hub is told of the migration');
    }
  }
  await clients[0].invoke('SendToGroup', 'kept', 'news', 'memberships move too');
  assert.deepEqual(await clients[where.indexOf(leaving.name)].inbox('news').next(), ['memberships move too']);
  await Promise.all(clients.map((client) => client.stop()));
}

async function waitsForClients(world, combinations) {
  const [server] = await world.servers(1, { shutdown: 'wait' });
  const client = await world.connect(combinations[0], { hub: server.hub });
  const ended = server.stop();
  await until('no new clients', () => world.connect(combinations[0], { hub: server.hub }).then((other) => other.stop().then(() => false), () => true));
  assert.equal(await client.invoke('Echo', 'still served'), 'still served');
  await client.stop();
  assert.equal(await ended, 0);
}

async function gatewayRestarts(combinations) {
  const world = await World.create();
  const servers = await Promise.all([world.start(), world.start()]);
  const clients = await crowd(world, combinations, servers[0].hub);
  assert.equal(await world.gateway.stop(), 0, 'exit code after SIGTERM');
  await world.gateway.launch();
  for (const client of clients) {
    await client.reconnecting.next();
    await client.reconnected.next();
  }
  for (const client of clients) assert.equal(await client.invoke('Echo', 'back'), 'back');
  for (const server of servers) {
    await until(`${server.name} is back`, () => server.control('POST', 'broadcast', { method: 'news', message: server.name }).then(() => true, () => false));
    for (const client of clients) assert.deepEqual(await client.inbox('news').next(), [server.name]);
  }
  await Promise.all(clients.map((client) => client.stop()));
  assert.deepEqual(await world.close(), [0, 0, 0]);
}

/** Resolves when calls of a client have answers again. */
const works = (client) => until(`${client.id} is served`, () => client.connection.invoke('Echo', 'there').then((text) => text === 'there', () => false));

/** Of several nodes one is killed, and started again. It has clients and connections of hub servers. */
async function nodeKilled(combinations) {
  const world = await World.create();
  const servers = [await world.start(), await world.start()];
  const come = () => crowd(world, combinations, servers[0].hub, { reconnect: patiently, http: { EventSource: OneEventSource } });
  const clients = (await Promise.all([come(), come()])).flat();
  const ids = clients.map((client) => client.id);
  const everybody = async (text) => {
    for (const server of servers) {
      await server.control('POST', 'broadcast', { method: 'news', message: `${text} from ${server.name}` });
      for (const [index, client] of clients.entries()) {
        const what = `${text}, client ${index}, ${combinations[index % combinations.length].name}, from ${server.name}`;
        const got = await client.inbox('news').next(20_000).catch((error) => assert.fail(`${what}: ${error.message}`));
        assert.deepEqual(got, [`${text} from ${server.name}`], what);
      }
    }
    for (const client of clients) assert.deepEqual(client.inbox('news').values, [], 'nothing twice');
  };
  // A long poll that broke off says nothing: its connection ends when the next one does not come.
  const settled = () => until('the hub has these clients and no others', async () => {
    await Promise.all(clients.map(works));
    const open = new Set();
    for (const { event, connectionId } of (await Promise.all(servers.map((server) => server.events()))).flat()) {
      if (event === 'connected') open.add(connectionId);
      else open.delete(connectionId);
    }
    return open.size === clients.length && clients.every((client) => open.has(client.id));
  }, 120_000);
  await everybody('before');
  const victim = world.gateway.nodes.at(-1); // the others are enough to keep the store
  await world.gateway.kill(victim);
  await settled();
  let stayed = 0;
  for (const [index, client] of clients.entries()) {
    if (client.reconnecting.values.length === 0) {
      assert.equal(client.id, ids[index]);
      stayed++;
    } else assert.notEqual(client.id, ids[index], 'another connection');
  }
  assert.ok(stayed > 0 && stayed < clients.length, `of ${clients.length} clients ${stayed} have noticed nothing`);
  await everybody('without it');
  await victim.launch();
  await until('the node is ready', () => fetch(`http://127.0.0.1:${victim.adminPort}/readyz`).then((r) => r.ok, () => false));
  clients.push(...(await come()));
  await everybody('with it');
  await Promise.all(clients.map((client) => client.stop()));
  assert.deepEqual(await world.close(), [0, 0, 0]);
}

/** With a grace period the clients of a server that dies stay: another one takes them. */
async function held(combinations) {
  const world = await World.create(['--mode', 'default', '--servers-grace-period', '1m']);
  const [victim, survivor] = [await world.start(), await world.start()];
  const clients = await crowd(world, combinations, victim.hub, {});
  const [where, ids] = [await serversOf(clients), clients.map((client) => client.id)];
  const onVictim = clients.filter((_, index) => where[index] === victim.name);
  const cutOff = onVictim.map((client) => assert.rejects(client.invoke('Slow', 60_000), /./));
  await Promise.all(onVictim.map((client) => client.invoke('Join', 'kept')));
  await victim.kill();
  await Promise.all(cutOff);
  assert.deepEqual([...new Set(await serversOf(clients))], [survivor.name]);
  await survivor.control('POST', 'group/kept', { method: 'news', message: 'still in the group' });
  for (const client of onVictim) assert.deepEqual(await client.inbox('news').next(), ['still in the group']);
  // Now there is no other server, until one comes.
  await survivor.kill();
  const successor = await world.start();
  assert.deepEqual([...new Set(await serversOf(clients))], [successor.name]);
  assert.deepEqual(clients.map((client) => client.id), ids, 'the clients have noticed nothing');
  await Promise.all(clients.map((client) => client.stop()));
  assert.deepEqual(await world.close(), [0, 0]);
}

/** A token that asks for it: asrs.s.coae closes the client when the token expires, at asrs.s.aeo. */
async function expires(world, combinations) {
  const [server] = await world.servers(1);
  const aeo = Math.floor(Date.now() / 1000) + 5;
  const claims = { 'asrs.s.coae': 'true', 'asrs.s.aeo': `${aeo}` };
  const grant = { hub: server.hub, claims };
  const clients = await Promise.all(combinations.map((one) => world.connect(one, grant, { reconnect: [0] })));
  for (const client of clients) assert.equal(await client.invoke('Echo', 'in time'), 'in time');
  for (const client of clients) {
    await client.reconnecting.next();
    assert.ok(Date.now() / 1000 > aeo - 1, 'not before');
    await client.stop();
  }
}

export function lifeCases(world, combinations) {
  return [
    ['all clients: H32 H58 H71 C53 two servers: load, broadcasts, groups and client results across', () => twoServers(world, combinations)],
    ['all clients: H46 C76 kill -9 of a server: its clients reconnect to the other, the others stay', () => killed(world, combinations)],
    ['all clients: C67 the last server is gone: clients are refused', () => lastServerGone(world, combinations)],
    ['all clients: H74 H75 H77 a server hands over clients that invoke all the time; nothing is lost, nothing runs twice', () => migrated(world, combinations)],
    ['H74 H76 a server that waits for its clients takes no new ones', () => waitsForClients(world, combinations)],
    ['all clients: kill -9 with a grace period: clients stay, what was running fails', () => held(combinations)],
    ['all clients: H54 a token that closes its client when it expires', () => expires(world, combinations)],
    ['all clients: H30 C78 the gateway restarts: servers and clients come back', () => gatewayRestarts(combinations)],
    ...(severalNodes ? [['all clients: kill -9 of a node: its clients and servers come back to others, the rest goes on', () => nodeKilled(combinations)]] : []),
  ];
}
