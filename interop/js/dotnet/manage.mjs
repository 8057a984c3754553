// The official Management SDK in both of its transports, with clients of both protocols.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { App } from '../lib/app.mjs';
import { Client } from '../lib/clients.mjs';
import { Gateway } from '../lib/gateway.mjs';
import { Inbox, until } from '../lib/wait.mjs';

const hub = 'managed';

/** interop/dotnet/Manage: one JSON command a line, one answer a line. */
class Manager {
  static async start([command, ...args], gateway, transport, protocols) {
    const manager = new Manager();
    const connection = `Endpoint=${gateway.endpoint};AccessKey=${gateway.key};Version=1.0;`;
    manager.child = spawn(command, [...args, '--connection', connection, '--hub', hub, '--transport', transport, '--protocols', protocols], { stdio: ['pipe', 'pipe', 'ignore'] });
    manager.ended = new Promise((resolve) => manager.child.once('close', resolve));
    manager.answers = new Inbox('answer of the Management SDK');
    createInterface({ input: manager.child.stdout }).on('line', (line) => manager.answers.put(JSON.parse(line)));
    await manager.result();
    return manager;
  }

  async result() {
    const { ok, result, error } = await this.answers.next();
    if (!ok) throw new Error(error);
    return result;
  }

  /** Carries out one command; resolves to its result. */
  run(op, fields = {}) {
    this.child.stdin.write(`${JSON.stringify({ op, ...fields })}\n`);
    return this.result();
  }

  async stop() {
    this.child.stdin.end();
    assert.equal(await this.ended, 0, 'exit code');
  }
}

const combinations = [
  { version: '10', protocol: 'json', transport: 'WebSockets' },
  { version: '10', protocol: 'messagepack', transport: 'WebSockets' },
  { version: '10', protocol: 'json', transport: 'LongPolling' },
];

async function managed(program, transport, protocols) {
  const gateway = await Gateway.start();
  const app = await App.listen();
  const manager = await Manager.start(program, gateway, transport, protocols);
  const clients = await Promise.all(combinations.map(async (one, index) => {
    const client = new Client(one, app.room({ gateway, hub, user: index === 2 ? 'bob' : 'änn/1' }).url);
    client.inbox('news');
    await client.start();
    return client;
  }));
  const [a, b, c] = clients;
  const ids = clients.map((client) => client.id);
  let sent = 0;
  /** Sends and sees that it comes to the clients named; what comes to others by mistake is seen by the next send to all. */
  const reaches = async (who, op, fields = {}) => {
    const args = [`ü ${op} ${sent++}`, { n: [1, null, 1.5, true] }];
    await manager.run(op, { method: 'news', args, ...fields });
    for (const client of who) assert.deepEqual(await client.inbox('news').next(), args, op);
  };
  await reaches(clients, 'all');
  await reaches([b, c], 'allExcept', { ids: [ids[0]] });
  await reaches([a], 'client', { id: ids[0] });
  await reaches([b, c], 'clients', { ids: ids.slice(1) });
  await reaches([a, b], 'user', { user: 'änn/1' });
  await reaches(clients, 'users', { users: ['änn/1', 'bob'] });
  for (const id of ids.slice(0, 2)) await manager.run('join', { id, group: 'room ü' });
  await reaches([a, b], 'group', { group: 'room ü' });
  await reaches([b], 'groupExcept', { group: 'room ü', ids: [ids[0]] });
  await manager.run('leave', { id: ids[0], group: 'room ü' });
  await reaches([b], 'groups', { groups: ['room ü'] });
  await manager.run('userJoin', { user: 'bob', group: 'users' });
  assert.equal(await manager.run('userInGroup', { user: 'bob', group: 'users' }), true);
  await reaches([c], 'group', { group: 'users' });
  await manager.run('userLeaveAll', { user: 'bob' });
  assert.equal(await manager.run('userInGroup', { user: 'bob', group: 'users' }), false);
  await reaches(clients, 'all');
  for (const [op, field, there] of [['connectionExists', 'id', ids[0]], ['userExists', 'user', 'bob'], ['groupExists', 'group', 'room ü']]) {
    assert.equal(await manager.run(op, { [field]: there }), true, op);
    assert.equal(await manager.run(op, { [field]: 'nobody' }), false, op);
  }
  assert.equal(await manager.run('health'), true);
  const { url, accessToken } = await manager.run('negotiate', { user: 'carl' });
  const direct = new Client(combinations[0], url, { http: { accessTokenFactory: () => accessToken } });
  direct.inbox('news');
  await direct.start();
  await reaches([direct], 'user', { user: 'carl' });
  await manager.run('close', { id: ids[0], reason: 'that is all' });
  assert.match((await a.whenClosed()).error.message, /that is all/);
  await until('the connection has gone', async () => !(await manager.run('connectionExists', { id: ids[0] })));
  for (const client of clients) assert.deepEqual(client.inbox('news').values, [], 'nothing came to the wrong client');
  await Promise.all([b, c, direct].map((client) => client.stop()));
  await manager.stop();
  app.close();
  assert.equal(await gateway.stop(), 0);
}

/** `program` is the command that starts interop/dotnet/Manage. */
export function manageCases(program) {
  const cases = [];
  for (const transport of ['transient', 'persistent']) {
    for (const protocols of ['json', 'both']) {
      cases.push([`Management SDK, ${transport}, ${protocols}: sends, groups, users, existence, close, negotiate`, () => managed(program, transport, protocols)]);
    }
  }
  return cases;
}
