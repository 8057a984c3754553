// Clients that have nothing to do, and clients that are away for long.
import assert from 'node:assert/strict';
import { sleep, until } from '../lib/wait.mjs';
import { freshWord } from './stand.mjs';

/** Notes how long this process had no time. */
class Stalls {
  constructor() {
    Object.assign(this, { longest: 0, last: Date.now() });
    this.timer = setInterval(() => {
      const now = Date.now();
      this.longest = Math.max(this.longest, now - this.last - 200);
      this.last = now;
    }, 200);
  }

  /** A client warns 3.3 s after a keep-alive should have come. */
  end(client) {
    clearInterval(this.timer);
    if (this.longest < 1000) assert.equal(client.slow, 0, 'the connection never seems slow');
  }
}

/** More than a minute without a message: nothing happens, but for keep-alives. */
async function idle(stand, combination) {
  const client = await stand.connect(combination);
  const [before, frames] = [client.requests.length, client.frames.length];
  const stalls = new Stalls();
  await sleep(63_000);
  stalls.end(client);
  assert.deepEqual(client.states, ['connecting', 'connected']);
  assert.deepEqual(client.errors, []);
  assert.equal(client.requests.length, before, 'no new request');
  if (combination.transport !== 'longPolling') {
    const news = client.frames.slice(frames);
    assert.deepEqual(news.filter((frame) => Object.keys(frame).length > 0), [], 'nothing but keep-alives');
    assert.ok(news.length >= 5 && news.length <= 7, `${news.length} keep-alives`);
  }
  assert.equal(await client.invoke('Echo', 'still there'), 'still there');
  await client.stop();
}

/** The client takes no answer to a call for a sign of life. */
async function busy(stand, combination) {
  const [client, stalls] = [await stand.connect(combination), new Stalls()];
  for (const end = Date.now() + 30_000; Date.now() < end; await sleep(500)) assert.equal(await client.invoke('Echo', 'x'), 'x');
  stalls.end(client);
  assert.deepEqual(client.states, ['connecting', 'connected']);
  await client.stop();
}

/** Away for most of the time that the client may be: what was sent meanwhile arrives. */
async function away(stand, combination, other) {
  const detour = await stand.detour();
  const [client, sender] = await Promise.all([stand.connect(combination, { via: detour }), stand.connect(other)]);
  const word = freshWord();
  await client.invoke('Join', word);
  detour.down = true;
  await until('the client is cut off', () => detour.drop() || client.states.at(-1) === 'reconnecting');
  const texts = Array.from({ length: 30 }, (_, i) => `${word}${i}`);
  for (const text of texts) await sender.invoke('ToGroup', word, text);
  await sleep(12_000);
  detour.down = false;
  await client.reconnected.next();
  await client.hears(texts.at(-1));
  assert.deepEqual(client.heardOf(word), texts);
  assert.equal(await client.invoke('Echo', 'back'), 'back');
  await Promise.all([client.stop(), sender.stop()]);
  detour.close();
}

async function awayForGood(stand, combination) {
  const detour = await stand.detour();
  const client = await stand.connect(combination, { via: detour });
  const { id } = client;
  detour.down = true;
  detour.drop();
  assert.match(await client.whenEnded(), /^Couldn't reconnect within the configured timeout of 30000 ms, disconnecting\.$/);
  if (!stand.self) await until('the hub is told', async () => (await stand.server.events(id)).at(-1).event === 'disconnected');
  client.close();
  detour.close();
}

export const idleCases = (stand, one, other) => [
  [`${one.name}: C109 idle for more than a minute`, () => idle(stand, one)],
  [`${one.name}: C109 busy with calls for longer than the client would wait`, () => busy(stand, one)],
  [`${one.name}: C111 away for a while`, () => away(stand, one, other)],
  [`${one.name}: C111 away for longer than it may`, () => awayForGood(stand, one)],
];
