// Ways to a connection other than the plain one: skipped, refused, fallen back.
import assert from 'node:assert/strict';
import { Client } from '../lib/clients.mjs';
import { NoUpgradeDetour } from '../lib/detour.mjs';
import { Rest } from '../lib/rest.mjs';
import { clientToken } from '../lib/token.mjs';
import { freshHub } from '../lib/world.mjs';

async function skipsNegotiation(world, combination) {
  const hub = freshHub();
  const { key, endpoint } = world.gateway;
  const token = clientToken(key, endpoint, hub, { 'asrs.s.uid': 'skipper' });
  const options = { http: { skipNegotiation: true, accessTokenFactory: () => token } };
  const client = new Client(combination, `${endpoint}/client/?hub=${hub}`, options);
  client.inbox('news');
  await client.start();
  assert.equal(await client.invoke('Echo', 'no negotiate'), 'no negotiate');
  await world.rest.toUser(hub, 'skipper', 'news', ['found']);
  assert.deepEqual(await client.inbox('news').next(), ['found']);
  await client.stop();
}

async function worksWithStatefulReconnect(world, combination) {
  const client = await world.connect(combination, {}, { stateful: true });
  assert.equal(await client.invoke('Echo', 'plain'), 'plain');
  await world.rest.toAll(client.hub, 'news', ['plain']);
  assert.deepEqual(await client.inbox('news').next(), ['plain']);
  await client.stop();
}

async function fallsBack(world, combination) {
  const detour = await NoUpgradeDetour.to(world.gateway.port);
  try {
    const client = await world.connect(combination, { endpoint: detour.endpoint }, { fallback: true });
    assert.equal(await client.invoke('Echo', 'fell back'), 'fell back');
    assert.equal(client.room.negotiates, 1, 'negotiates again at the gateway, not at the application');
    await client.stop();
  } finally {
    detour.close();
  }
}

async function showsRefusal(world, combination) {
  const start = world.connect(combination, { key: 'not the key' });
  await assert.rejects(start, /negotiation.*401/s);
}

async function takesRedirectQueryAsItIs(world, combination) {
  const query = '&asrs.op=%2Fchat&asrs_request_id=a%2Bb%3D&id=mine&negotiateVersion=1&useStatefulReconnect=false';
  const client = await world.connect(combination, { query });
  assert.match((await world.webhook.of(client.id).next()).query, /asrs\.op=%2Fchat&asrs_request_id=a%2Bb%3D/);
  assert.equal(await client.invoke('Echo', 1), 1);
  await client.stop();
}

async function takesTheSecondaryKey(world, combination) {
  const key = world.gateway.secondaryKey;
  const client = await world.connect(combination, { key });
  await new Rest(world.gateway, 'v1', key).toAll(client.hub, 'news', ['signed with the other key']);
  assert.deepEqual(await client.inbox('news').next(), ['signed with the other key']);
  await client.stop();
}

export function negotiationCases(world, combination) {
  const named = (name, body) => [`${combination.name}: ${name}`, () => body(world, combination)];
  const cases = [
    named('C22 a token of another key fails start() with 401', showsRefusal),
    named('C06 C15 a redirect with a query of its own', takesRedirectQueryAsItIs),
    named('R8 tokens of the secondary key', takesTheSecondaryKey),
  ];
  if (combination.transport !== 'WebSockets') return cases;
  return [
    ...cases,
    named('C23 skipNegotiation', skipsNegotiation),
    named('C91 withStatefulReconnect, on every transport', worksWithStatefulReconnect),
    named('C24 fallback when WebSockets are blocked', fallsBack),
  ];
}
