// Stateful reconnect with hub servers (C93): short here, HUBGATE_STATEFUL_SECONDS makes it long.
import { losesNothing } from '../lib/numbered.mjs';

const seconds = Number(process.env.HUBGATE_STATEFUL_SECONDS ?? 20);

export function statefulCases(world, combination) {
  if (combination.transport !== 'WebSockets') return [];
  return [[`${combination.name}: C92 C93 C95 C100 nothing is lost and nothing comes twice while connections break`, async () => {
    const [server] = await world.servers(1);
    const arrived = [];
    const { cuts, down, up } = await losesNothing({
      port: world.gateway.port, seconds,
      connect: async (endpoint) => {
        const client = await world.connect(combination, { hub: server.hub, endpoint }, { stateful: true, reconnect: [0, 0, 0], listen: [] });
        client.connection.on('echo', (text) => arrived.push(Number.parseInt(text)));
        return client;
      },
      down: (client, n, text) => world.rest.toConnection(server.hub, client.id, 'down', [n, text]),
      // A hub server that sends to a client takes any of its connections, which are not ordered among each other.
      unordered: true,
      up: (client, n, text) => client.connection.send('EchoBack', `${n} ${text}`),
      arrived: () => arrived,
    });
    if (process.env.HUBGATE_STATEFUL_SECONDS) console.log(`${combination.name}: ${cuts} cuts, ${down} messages down, ${up} up`);
    await server.stop();
  }, seconds + 240]];
}
