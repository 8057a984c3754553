// A gateway for hub servers, one hub server, and ways to connect clients to them.
import { App } from '../lib/app.mjs';
import { Client } from '../lib/clients.mjs';
import { Gateway } from '../lib/gateway.mjs';
import { Rest } from '../lib/rest.mjs';
import { sleep } from '../lib/wait.mjs';
import { HubServer } from './hubserver.mjs';

let applications = 0;

/**
 * Has a client answer questions of the hub, after a while. Microsoft.Azure.SignalR (1.25) writes a question to the gateway before it
 * notes that it waits for the answer. In a process that asks for the first time, and on a busy machine, noting it takes so long that an
 * answer that comes at once may be lost: the hub gets null, or nothing until it gives up.
 */
export function answers(client, method, answer) {
  client.connection.on(method, async (...args) => {
    await sleep(200);
    return answer(...args);
  });
}

export class World {
  static async create(flags = ['--mode', 'default']) {
    const world = new World();
    world.gateway = await Gateway.start(flags);
    world.rest = new Rest(world.gateway);
    world.app = await App.listen();
    world.started = [];
    return world;
  }

  async start(options) {
    const server = await HubServer.start(this.gateway, options);
    this.started.push(server);
    return server;
  }

  /** Starts hub servers of an application, and so of a hub, that no other case uses. */
  async servers(count, options = {}) {
    const application = `app${++applications}`;
    return Promise.all(Array.from({ length: count }, () => this.start({ application, ...options })));
  }

  /** Connects a client through a hub server's own negotiate. */
  async atServer(combination, query = {}, { server = this.server, listen = ['news', 'echo', 'welcome'], ...options } = {}) {
    const client = new Client(combination, server.url(query), options);
    for (const target of listen) client.inbox(target);
    await client.start();
    return client;
  }

  /** Connects a client to a hub through an application that goes on when hub servers end. `grant` goes to App.room. */
  async connect(combination, grant, { listen = ['news', 'echo'], ...options } = {}) {
    const room = this.app.room({ gateway: this.gateway, ...grant });
    const client = new Client(combination, room.url, options);
    client.room = room;
    for (const target of listen) client.inbox(target);
    await client.start();
    return client;
  }

  /** Ends hub servers and gateway; resolves to their exit codes. */
  async close() {
    const left = this.started.filter((server) => !server.gone);
    const codes = await Promise.all(left.map((server) => server.stop()));
    codes.push(await this.gateway.stop());
    this.app.close();
    return codes;
  }
}
