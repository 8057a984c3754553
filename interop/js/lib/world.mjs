// One gateway with everything around it: the application's server, its webhook, REST, and a way to connect clients.
import { App } from './app.mjs';
import { Client } from './clients.mjs';
import { Gateway } from './gateway.mjs';
import { Rest } from './rest.mjs';
import { Webhook } from './webhook.mjs';

let hubs = 0;

/** A hub name that no other case uses. */
export const freshHub = (word = 'hub') => `${word}${++hubs}`;

export class World {
  /** `flags(webhook)` gives the gateway's further flags; by default every event goes to the webhook. */
  static async create(flags = (webhook) => ['--upstream', webhook.template]) {
    const world = new World();
    world.webhook = await Webhook.listen();
    world.gateway = await Gateway.start(await flags(world.webhook));
    world.webhook.keys = world.gateway.keys;
    world.app = await App.listen();
    world.rest = new Rest(world.gateway);
    return world;
  }

  /** Connects a client through the application's negotiate. `grant` goes to App.room, `options` to Client. */
  async connect(combination, grant = {}, options = {}) {
    const room = this.app.room({ gateway: this.gateway, hub: freshHub(), ...grant });
    const client = new Client(combination, room.url, options);
    client.room = room;
    client.hub = room.hub;
    for (const target of options.listen ?? ['news']) client.inbox(target);
    await client.start();
    return client;
  }

  async close() {
    const status = await this.gateway.stop();
    this.webhook.close();
    this.app.close();
    return status;
  }
}
