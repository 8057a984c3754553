// Official clients, each a combination of version, hub protocol and transport. They come back whenever their
// connection ends, until standard input ends.
//
//   node npm.mjs        one line of JSON on standard input says who connects; then one line for each event
//
// Events: up (connection id; also after a reconnect), down, n (origin, number, connection id), called (connection id, number, error).
import { createInterface } from 'node:readline';
import { Client, combinations } from '../interop/js/lib/clients.mjs';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const say = (client, event, ...rest) => process.stdout.write(`${JSON.stringify([client, event, ...rest])}\n`);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const soon = () => 50 + Math.random() * 300;

let leaving = false;

// What a client library throws beside its promises is no end of the others: a refused handshake, a stream that ends
// before the client is connected.
for (const kind of ['uncaughtException', 'unhandledRejection']) {
  process.on(kind, (error) => {
    if (!/handshake|was called while the connection is still in the connecting state/.test(error?.message)) throw error;
  });
}

class Visitor {
  constructor({ name, url, token, combination, stateful }) {
    this.name = name;
    this.client = new Client(combination, url, {
      http: { accessTokenFactory: () => token },
      reconnect: { nextRetryDelayInMilliseconds: () => (leaving ? null : soon()) },
      stateful,
    });
    const { connection } = this.client;
    connection.on('n', (origin, number) => say(name, 'n', origin, number, this.client.id));
    connection.onreconnecting(() => say(name, 'down'));
    connection.onreconnected((id) => say(name, 'up', id));
    connection.onclose(() => {
      say(name, 'down');
      if (!leaving) void this.arrive();
    });
  }

  async arrive() {
    while (!leaving) {
      try {
        await this.client.connection.start();
        say(this.name, 'up', this.client.id);
        return;
      } catch {
        say(this.name, 'failed');
        await pause(soon());
      }
    }
  }

  /** Calls the application: with an answer in Default mode, without in Serverless mode. */
  async call(method, argument, answered) {
    const id = this.client.id;
    try {
      if (answered) await this.client.connection.invoke(method, argument);
      else await this.client.connection.send(method, argument);
      say(this.name, 'called', id, argument, null);
    } catch (error) {
      say(this.name, 'called', id, argument, error.message);
    }
  }
}

const first = await lines.next();
const { visitors: wanted, stateful } = JSON.parse(first.value);
const chosen = stateful ? combinations.filter(({ transport }) => transport === 'WebSockets') : combinations;
const visitors = new Map();
wanted.forEach((one, i) => {
  const visitor = new Visitor({ ...one, stateful, combination: chosen[i % chosen.length] });
  visitors.set(one.name, visitor);
  void visitor.arrive();
});
// Further lines are calls: name, method, argument, whether there is an answer.
for await (const line of lines) {
  const [name, method, argument, answered] = JSON.parse(line);
  void visitors.get(name).call(method, argument, answered);
}
leaving = true;
await Promise.race([Promise.allSettled([...visitors.values()].map(({ client }) => client.connection.stop())), pause(5000)]);
process.exit(0);
