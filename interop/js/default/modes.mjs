// Service modes: of the gateway, of single hubs, and changed while everybody is connected.
import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from '../lib/webhook.mjs';
import { until } from '../lib/wait.mjs';
import { World } from './world.mjs';

const patiently = [0, 20, 100, 300, ...Array(60).fill(500)];

/** A world whose modes are in a file: world.configure({mode, hubs}) changes them. */
async function configured(settings) {
  const webhook = await Webhook.listen();
  webhook.on('ServerName', () => ({ result: 'webhook' }));
  const file = join(mkdtempSync(join(process.env.HUBGATE_WORK ?? tmpdir(), 'modes-')), 'gateway.json');
  // As editors do, so that the gateway never reads half a file.
  const write = (change) => {
    writeFileSync(`${file}.new`, JSON.stringify({ ...change, upstream: { templates: [webhook.template] } }));
    renameSync(`${file}.new`, file);
  };
  write(settings);
  const world = await World.create(['--config', file]);
  webhook.keys = world.gateway.keys;
  world.webhook = webhook;
  world.configure = write;
  return world;
}

async function finish(world) {
  const codes = await world.close();
  world.webhook.close();
  assert.ok(codes.every((code) => code === 0), `exit codes ${codes}`);
  assert.deepEqual(world.webhook.problems, []);
}

async function switches(combinations) {
  const world = await configured({ mode: 'default' });
  const server = await world.start();
  const clients = await Promise.all(combinations.map((one) => world.connect(one, { hub: server.hub }, { reconnect: patiently })));
  const change = async (mode, answer) => {
    const ids = clients.map((client) => client.id);
    world.configure({ mode });
    for (const [index, client] of clients.entries()) {
      const { error } = await client.reconnecting.next();
      assert.match(error?.message ?? '', /\w/, combinations[index].name);
      assert.notEqual(await client.reconnected.next(), ids[index]);
      assert.equal(await client.invoke('ServerName'), answer, combinations[index].name);
    }
  };
  await change('serverless', 'webhook');
  await assert.rejects(server.control('POST', 'broadcast', { method: 'news', message: 'x' }), /./, 'a hub server has no place in Serverless mode');
  await change('default', server.name);
  for (const client of clients) assert.ok(client.room.negotiates >= 3, 'clients come back through the application');
  await Promise.all(clients.map((client) => client.stop()));
  await finish(world);
}

async function classic(combinations) {
  const world = await configured({ mode: 'classic' });
  const hub = 'testhub';
  const early = await world.connect(combinations[0], { hub });
  await world.rest.toAll(hub, 'news', ['by REST']);
  assert.deepEqual(await early.inbox('news').next(), ['by REST']);
  await assert.rejects(early.invoke('ServerName'), /./, 'nobody answers');
  const server = await world.start();
  for (const one of combinations) {
    const client = await world.connect(one, { hub });
    assert.equal(await client.invoke('ServerName'), server.name, one.name);
    await client.stop();
  }
  await server.control('POST', 'broadcast', { method: 'news', message: 'to all of the hub' });
  assert.deepEqual(await early.inbox('news').next(), ['to all of the hub']);
  assert.equal(world.webhook.checked, 0, 'no upstream in Classic mode');
  await early.stop();
  await finish(world);
}

async function sideBySide(combinations) {
  const world = await configured({ mode: 'serverless', hubs: { testhub: { mode: 'default' } } });
  const server = await world.start();
  for (const one of combinations) {
    const [a, b] = await Promise.all(['testhub', 'other'].map((hub) => world.connect(one, { hub })));
    assert.equal(await a.invoke('ServerName'), server.name, one.name);
    assert.equal(await b.invoke('ServerName'), 'webhook', one.name);
    await Promise.all([a.stop(), b.stop()]);
  }
  await finish(world);
}

async function serverRefused() {
  const world = await configured({ mode: 'serverless' });
  const refused = world.start();
  await until('the refusal is in the log', () => /refused/.test(world.gateway.log()));
  world.configure({ mode: 'default' });
  const server = await refused;
  assert.ok(server.endpoint, 'it comes as soon as it may');
  await finish(world);
}

export function modeCases(combinations) {
  return [
    ['all clients: H82 C76 Default to Serverless and back: clients reconnect to who answers now', () => switches(combinations)],
    ['all clients: Classic mode decides for each client when it connects', () => classic(combinations)],
    ['all clients: a hub with its own mode beside hubs of the other', () => sideBySide(combinations)],
    ['H29 H82 a hub server is refused in Serverless mode, and comes when the mode changes', () => serverRefused()],
  ];
}
