// What hub servers send to many: everybody, users, groups, exceptions; and what they ask clients.
import assert from 'node:assert/strict';
import { sleep, until } from '../lib/wait.mjs';
import { answers } from './world.mjs';

let names = 0;
const fresh = (word) => `${word} ü+${++names}`;

/** Four clients: two of a user of this combination, one of another user by JSON, one of it by MessagePack. */
async function quartet(world, combination) {
  const [ann, bob] = [fresh('ann'), fresh('bob')];
  const kinds = [combination, combination, { ...combination, protocol: 'json', transport: 'WebSockets' },
    { ...combination, protocol: 'messagepack', transport: 'WebSockets' }];
  const users = [ann, bob, ann, bob];
  // Other cases broadcast to the same hub.
  const target = fresh('news');
  const clients = await Promise.all(kinds.map((kind, i) => world.atServer(kind, { user: users[i] }, { listen: [target, 'mark'] })));
  return { clients, target, ann, bob, stop: () => Promise.all(clients.map((client) => client.stop())) };
}

let marks = 0;

/** Sends, and checks who got it how often: wants[i] for clients[i]. The caller's own order ends the wait. */
async function reaches({ clients, target }, wants, method, ...args) {
  const text = `message ${++marks}`;
  const [caller] = clients;
  await caller.invoke(method, ...args, target, text);
  const ids = clients.map((client) => client.id);
  await caller.invoke('SendToClients', ids, 'mark', text);
  for (const [index, client] of clients.entries()) {
    assert.deepEqual(await client.inbox('mark').next(), [text]);
    // A send to one client may take another server connection than the mark.
    const { values } = client.inbox(target);
    await until(`${method} reaches client ${index}`, () => values.length >= wants[index]);
    const news = values.splice(0);
    assert.deepEqual(news.map(([one]) => one), Array(wants[index]).fill(text), `${method} ${JSON.stringify(args)}: client ${index}`);
  }
}

async function multicasts(world, combination) {
  const four = await quartet(world, combination);
  const { clients, ann, bob, stop } = four;
  const [a, b, c, d] = clients;
  const [g, h] = [fresh('g'), fresh('h')];
  const go = (wants, ...call) => reaches(four, wants, ...call);
  await go([1, 1, 1, 1], 'Broadcast');
  await go([0, 1, 1, 1], 'Others');
  await go([1, 0, 1, 0], 'AllExcept', [b.id, d.id, 'nobody']);
  await go([0, 0, 0, 1], 'SendToClient', d.id);
  await go([1, 1, 0, 1], 'SendToClients', [a.id, b.id, d.id, 'nobody']);
  await go([1, 0, 1, 0], 'SendToUser', ann);
  await go([1, 1, 1, 1], 'SendToUsers', [ann, bob, 'nobody']);
  await go([0, 0, 0, 0], 'SendToGroup', g);
  for (const client of [a, b, d]) await client.invoke('Join', g);
  for (const client of [c, d]) await client.invoke('Join', h);
  await go([1, 1, 0, 1], 'SendToGroup', g);
  await go([1, 1, 1, 2], 'SendToGroups', [g, h]);
  await go([1, 0, 0, 1], 'SendToGroupExcept', g, [b.id, c.id]);
  await go([0, 1, 0, 1], 'OthersInGroup', g);
  await a.invoke('Leave', g);
  await a.invoke('Leave', fresh('never in'));
  await go([0, 1, 0, 1], 'SendToGroup', g);
  await stop();
}

async function fromOutside(world, combination) {
  const { clients, target, ann, stop } = await quartet(world, combination);
  const [a, b, c, d] = clients;
  const { server, rest } = world;
  const group = fresh('outside');
  const inPath = encodeURIComponent;
  const gets = async (receivers, text) => {
    for (const client of receivers) assert.deepEqual(await client.inbox(target).next(), [text]);
    for (const client of clients) assert.deepEqual(client.inbox(target).values, [], text);
  };
  await server.control('POST', `user/${inPath(ann)}`, { method: target, message: 'to a user' });
  await gets([a, c], 'to a user');
  await server.control('POST', `client/${b.id}`, { method: target, message: 'to a client' });
  await gets([b], 'to a client');
  for (const client of [b, c]) await server.control('PUT', `group/${inPath(group)}/${client.id}`);
  await server.control('POST', `group/${inPath(group)}`, { method: target, message: 'to a group' });
  await gets([b, c], 'to a group');
  await server.control('DELETE', `group/${inPath(group)}/${b.id}`);
  await rest.toGroup(server.hub, group, target, ['by REST']);
  await gets([c], 'by REST');
  await rest.joinGroup(server.hub, group, d.id);
  await server.control('POST', `group/${inPath(group)}`, { method: target, message: 'joined by REST' });
  await gets([c, d], 'joined by REST');
  await rest.toUser(server.hub, ann, target, ['REST to a user']);
  await gets([a, c], 'REST to a user');
  await stop();
}

/** The join is acknowledged when sends over whatever connection find it. */
async function joinsAreVisible(world, combination) {
  const client = await world.atServer(combination);
  for (let i = 0; i < 50; i++) {
    const group = fresh('visible');
    await client.invoke('Join', group);
    await world.server.control('POST', `group/${encodeURIComponent(group)}`, { method: 'news', message: group });
    assert.deepEqual(await client.inbox('news').next(), [group]);
  }
  await client.stop();
}

async function inOrder(world, combination) {
  const client = await world.atServer(combination, {}, { listen: ['echo'] });
  const n = 1000;
  // One call at a time: side by side the hub may run them in any order.
  for (let i = 0; i < n; i += 100) {
    for (let j = i; j < i + 100; j++) await client.invoke('SendToClient', client.id, 'echo', `${j}`);
  }
  for (let i = 0; i < n; i++) assert.deepEqual(await client.inbox('echo').next(), [`${i}`]);
  await client.stop();
}

async function results(world, combination) {
  const { clients, stop } = await quartet(world, combination);
  const [a, b, c, d] = clients;
  for (const [index, client] of clients.entries()) {
    answers(client, 'question', (word) => `client ${index}: ${word}`);
    answers(client, 'refuses', () => {
      throw new Error('no comment');
    });
    client.connection.on('never', () => new Promise(() => {}));
  }
  for (const [index, client] of clients.entries()) {
    assert.equal(await a.invoke('Ask', client.id, 'question', 'ü 🚀'), `client ${index}: ü 🚀`);
  }
  assert.equal(await world.server.control('POST', `ask/${b.id}`, { method: 'question', arg: 'outside' }), 'client 1: outside');
  await assert.rejects(a.invoke('Ask', c.id, 'refuses', 'x'), /no comment/);
  await assert.rejects(a.invoke('Ask', d.id, 'unheard of', 'x'), /./);
  await assert.rejects(a.invoke('Ask', 'nobody', 'question', 'x'), /./);
  const asked = new Promise((resolve) => b.connection.on('leaves', () => {
    resolve();
    return new Promise(() => {});
  }));
  const lost = assert.rejects(a.invoke('Ask', b.id, 'leaves', 'x'), /./);
  await asked;
  await b.stop();
  await lost;
  assert.equal(await a.invoke('Ask', d.id, 'question', 'after'), 'client 3: after');
  await stop();
}

export function sendCases(world, combination) {
  const named = (name, body) => [`${combination.name}: ${name}`, () => body(world, combination)];
  return [
    named('H58 H68 all, others, excepts, clients, users, groups reach whom they should, how often they should', multicasts),
    named('H59 H61 H83 sends and joins from outside of calls, mixed with REST', fromOutside),
    named('H61 a join that was awaited is seen by every send after it', joinsAreVisible),
    named('C53 1000 sends to the caller arrive in order', inOrder),
    named('H70 H72 client results, their errors, unknown connections, clients that leave', results),
  ];
}

/** One hub, clients of every kind, broadcasts from calls, from outside and by REST. */
export function broadcastCase(world, combinations) {
  const body = async () => {
    const clients = await Promise.all(combinations.map((one) => world.atServer(one, {}, { listen: ['bulk'] })));
    const n = 200;
    for (let i = 0; i < n; i++) await world.server.control('POST', 'broadcast', { method: 'bulk', message: 'x' });
    for (const client of clients) await until('all have come', () => client.inbox('bulk').values.length >= n);
    await sleep(100);
    for (const [index, client] of clients.entries()) assert.equal(client.inbox('bulk').values.length, n, combinations[index].name);
    await Promise.all(clients.map((client) => client.stop()));
  };
  return ['all clients: H32 200 broadcasts over any of five connections reach each client exactly once', body];
}
