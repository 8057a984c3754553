// Gateways with other settings, and clients that announce an older protocol.
import assert from 'node:assert/strict';
import { Client, combinations, transports } from './client.mjs';
import { Stand } from './stand.mjs';

async function works(stand, combination, options) {
  const client = await stand.connect(combination, options);
  assert.equal(await client.invoke('Echo', 'ü'), 'ü');
  await client.stop();
  assert.deepEqual(client.errors, []);
  return client;
}

async function oldProtocol(stand) {
  for (const protocol of ['1.5', '2.0']) {
    for (const transport of transports) await works(stand, { version: '2.4.3', transport }, { protocol });
  }
}

/** Behind a path, clients keep to it after negotiate. */
async function publicPath() {
  const stand = await Stand.behind(['--public-url', 'http://gateway.example/some/path'], { path: '/some/path' });
  for (const one of combinations) {
    const client = await works(stand, one);
    for (const { url } of client.requests.slice(1)) assert.match(url.pathname, /^\/some\/path\/aspnetclient\//);
  }
  assert.deepEqual(await stand.close(), [0, 0]);
}

async function classicMode() {
  const stand = await Stand.behind(['--mode', 'classic']);
  for (const one of combinations) await works(stand, one);
  assert.deepEqual(await stand.close(), [0, 0]);
}

/** There is no Serverless mode for them: clients and hub servers are told so. */
async function serverlessMode() {
  const stand = await Stand.behind(['--mode', 'serverless'], { servers: 0 });
  const client = new Client(combinations[0], stand.lenientUrl());
  await assert.rejects(client.start(), /Error message received from the server: '.*Serverless/);
  client.close();
  assert.deepEqual(await stand.close(), [0]);
}

export const protocolCase = (stand) => ['C102 clients of protocols 1.5 and 2.0', () => oldProtocol(stand)];

/** Each has a gateway of its own. */
export const settingsCases = [
  ['C101 a gateway behind a path', publicPath],
  ['C101 Classic mode', classicMode],
  ['C101 Serverless mode has no ASP.NET SignalR', serverlessMode],
];
