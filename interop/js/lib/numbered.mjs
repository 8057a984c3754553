// Stateful reconnect under traffic: numbered messages both ways through a network that breaks all the time.
import assert from 'node:assert/strict';
import { Cutter } from './cutter.mjs';
import { patience, sleep, until } from './wait.mjs';

/** What is wrong with numbers that should be 0, 1, 2 and so on up to `count`. */
export function gaps(numbers, count) {
  const seen = new Set(numbers);
  const lost = [];
  for (let n = 0; n < count; n++) if (!seen.has(n)) lost.push(n);
  const inverted = numbers.filter((n, i) => i > 0 && n < numbers[i - 1]).length;
  return { lost: lost.length, doubled: numbers.length - seen.size, inverted };
}

const clean = { lost: 0, doubled: 0, inverted: 0 };
const padding = () => 'x'.repeat(Math.floor(Math.random() ** 3 * 2000));

/**
 * Runs traffic for `seconds`, or longer until there were as many cuts as half of them: on a busy machine clients come back slowly. `connect(endpoint)` gives a client with stateful reconnect, `down(client, n, text)` sends it the message
 * 'down' with n, `up(client, n, text)` has it send n, and `arrived(client)` are the numbers that have arrived: in order, unless
 * `unordered` is set.
 */
export async function losesNothing({ port, seconds, connect, down, up, arrived, unordered = false }) {
  const cutter = await Cutter.to(port);
  try {
    const client = await connect(cutter.endpoint);
    const { id } = client;
    const heard = [];
    client.connection.on('down', (n) => heard.push(Number.parseInt(n)));
    cutter.cutting = true;
    const end = Date.now() + seconds * 1000;
    const goesOn = () => Date.now() < end || cutter.cuts <= seconds / 2 && Date.now() < end + patience;
    const traffic = async (send) => {
      let n = 0;
      for (; goesOn(); n++) {
        await send(client, n, padding());
        await sleep(Math.random() * 20);
      }
      return n;
    };
    const [sentDown, sentUp] = await Promise.all([traffic(down), traffic(up)]);
    cutter.cutting = false;
    const count = () => heard.length + arrived(client).length;
    const complete = () => client.connection.state !== 'Connected' || heard.length >= sentDown && arrived(client).length >= sentUp;
    // A busy machine is given time for as long as something arrives.
    for (let before = -1; !complete() && count() > before;) {
      before = count();
      await until('everything has arrived', complete, patience / 2).catch(() => {});
    }
    await sleep(1500); // for what comes twice
    // Requests of one sender that a balancer gives to several nodes are not ordered among each other.
    if (process.env.HUBGATE_NODES) heard.sort((a, b) => a - b);
    if (unordered) arrived(client).sort((a, b) => a - b);
    const seen = {
      down: gaps(heard, sentDown), up: gaps(arrived(client), sentUp), state: client.connection.state, id: client.id,
      reconnected: client.reconnecting.values.length + client.reconnected.values.length,
    };
    assert.deepEqual(seen, { down: clean, up: clean, state: 'Connected', id, reconnected: 0 });
    assert.ok(cutter.cuts > seconds / 2, `only ${cutter.cuts} cuts`);
    await client.stop();
    return { cuts: cutter.cuts, down: sentDown, up: sentUp };
  } finally {
    cutter.close();
  }
}
