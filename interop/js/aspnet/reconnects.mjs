// Transports that are cut off, refused, or silent.
import assert from 'node:assert/strict';
import { NoUpgradeDetour, SilentDetour } from '../lib/detour.mjs';
import { sleep, until } from '../lib/wait.mjs';
import { transports } from './client.mjs';
import { freshWord } from './stand.mjs';

/** Another client that broadcasts numbers, 50 a second: a self-hosted server keeps the last 1000 messages to a hub. */
class Counting {
  constructor(client, word) {
    Object.assign(this, { client, word, sent: 0 });
    this.done = this.run();
  }

  async run() {
    for (; !this.stopping; await sleep(20)) await this.client.invoke('Broadcast', this.word + this.sent++);
  }

  async reaches(n) {
    await until(`${n} broadcasts`, () => this.sent >= n);
  }

  async stop() {
    this.stopping = true;
    await this.done;
    return Array.from({ length: this.sent }, (_, i) => this.word + i);
  }
}

/** A client whose connections are all reset in mid-traffic. */
async function cut(stand, combination) {
  const detour = await stand.detour();
  const [client, other] = await Promise.all([stand.connect(combination, { via: detour }), stand.connect({ ...combination, transport: 'webSockets' })]);
  const [word, { id }] = [freshWord(), client];
  await client.invoke('Join', word);
  const counting = new Counting(other, word);
  await counting.reaches(20);
  // Between two polls there is nothing to cut.
  const lost = () => combination.transport !== 'longPolling' || client.to('poll').some(({ failed }) => failed);
  await until('a connection is cut off', () => detour.drop() || lost());
  assert.equal(await client.reconnected.next(), id);
  await counting.reaches(counting.sent + 20);
  const all = await counting.stop();
  await client.hears(all.at(-1));
  assert.deepEqual(client.heardOf(word), all, 'nothing is lost, nothing comes twice, and the order is kept');
  await other.invoke('ToGroup', word, `group of ${word}`);
  await client.hears(`group of ${word}`);
  assert.equal(await client.invoke('Echo', 'back'), 'back');
  await client.hears('welcome back');
  assert.equal(client.heardOf('welcome back').length, 1, 'OnReconnected ran once');
  assert.deepEqual(client.states, ['connecting', 'connected', 'reconnecting', 'connected']);
  if (combination.transport !== 'longPolling') {
    const seen = client.to('connect').at(-1).texts.filter((text) => text.includes('"C":')).map((text) => JSON.parse(text).C);
    assert.equal(client.to('reconnect')[0].url.searchParams.get('messageId'), seen.at(-1));
  }
  if (!stand.self) {
    const events = (await stand.server.events(id)).map(({ event }) => event);
    assert.deepEqual(events, ['connected', 'reconnected']);
  }
  await Promise.all([client.stop(), other.stop()]);
  detour.close();
}

/** Upgrades are refused, and perhaps event streams: the client finds what works, with the token that it has. */
async function fallsBack(stand, version, works) {
  const refused = works === 'longPolling' ? (request) => request.url.includes('transport=serverSentEvents') : undefined;
  const detour = await stand.detour(NoUpgradeDetour, refused);
  const client = await stand.connect({ version, transport: transports }, { via: detour });
  assert.equal(client.transport, works);
  const connects = client.to('connect').map(({ url }) => url.searchParams);
  assert.deepEqual([...new Set(connects.map((items) => items.get('transport')))], transports.slice(0, transports.indexOf(works) + 1));
  assert.equal(new Set(connects.map((items) => items.get('connectionToken'))).size, 1, 'one token');
  assert.equal(await client.invoke('Echo', 'fell back'), 'fell back');
  if (!stand.self) assert.deepEqual((await stand.server.events(client.id)).map(({ event }) => event), ['connected']);
  await client.stop();
  detour.close();
}

/** The server has seen the first /connect, but its answers do not arrive: the second one replaces it. */
async function silentWebSocket(stand, version) {
  const [detour, other] = await Promise.all([stand.detour(SilentDetour), stand.connect({ version, transport: 'webSockets' })]);
  const starting = stand.connect({ version, transport: transports }, { via: detour, patient: false });
  // More than the server keeps for a client that comes back.
  for (let i = 0; i < 200; i++) await other.invoke('Broadcast', `too early ${i}`);
  const client = await starting;
  assert.equal(client.transport, 'serverSentEvents');
  const word = freshWord();
  await client.invoke('Broadcast', word);
  await client.hears(word);
  assert.equal(await client.invoke('Echo', 'fell back'), 'fell back');
  assert.equal(client.heardOf(word).length, 1);
  if (!stand.self) assert.deepEqual((await stand.server.events(client.id)).map(({ event }) => event), ['connected']);
  await Promise.all([client.stop(), other.stop()]);
  detour.close();
}

export const cutCases = (stand, one) => [[`${one.name}: C111 H87 cut off in mid-traffic: nothing lost, nothing twice`, () => cut(stand, one)]];

export const fallbackCases = (stand, version) => [
  [`${version} C101 H84 H88 falls back to server-sent events`, () => fallsBack(stand, version, 'serverSentEvents')],
  [`${version} C101 H84 H88 falls back to long polling`, () => fallsBack(stand, version, 'longPolling')],
  [`${version} C103 C104 H84 H88 falls back from a WebSocket that stays silent`, () => silentWebSocket(stand, version)],
];
