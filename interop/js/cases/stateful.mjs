// Stateful reconnect (C93): short here, HUBGATE_STATEFUL_SECONDS makes it long.
import { losesNothing } from '../lib/numbered.mjs';

const seconds = Number(process.env.HUBGATE_STATEFUL_SECONDS ?? 20);

export function statefulCases(world, combination) {
  if (combination.transport !== 'WebSockets') return [];
  const arrived = new Map(); // by hub
  const run = () => losesNothing({
    port: world.gateway.port, seconds,
    connect: async (endpoint) => {
      const client = await world.connect(combination, { endpoint }, { stateful: true, reconnect: [0, 0, 0] });
      arrived.set(client.hub, []);
      world.webhook.on(`${client.hub}/Note`, (event) => {
        arrived.get(client.hub).push(event.message.arguments[0]);
        return {};
      });
      return client;
    },
    down: (client, n, text) => world.rest.toAll(client.hub, 'down', [n, text]),
    up: (client, n, text) => client.connection.send('Note', n, text),
    arrived: (client) => arrived.get(client.hub),
  });
  return [[`${combination.name}: C92 C93 C95 C100 nothing is lost and nothing comes twice while connections break`, async () => {
    const { cuts, down, up } = await run();
    if (process.env.HUBGATE_STATEFUL_SECONDS) console.log(`${combination.name}: ${cuts} cuts, ${down} messages down, ${up} up`);
  }, seconds + 240]];
}
