// Hub servers with the methods of TestHub: interop/gohub, or what HUBGATE_HUBSERVER (a command as a JSON array) starts.
import { Child } from '../lib/child.mjs';
import { until } from '../lib/wait.mjs';

const standard = () => JSON.parse(process.env.HUBGATE_HUBSERVER);

let servers = 0;

export class HubServer extends Child {
  /** `options`: application, connections, shutdown ("off", "wait" or "migrate"), and another command. Resolves when it is connected. */
  static async start(gateway, { application, connections = 5, shutdown = 'off', command = standard() } = {}) {
    const server = new HubServer();
    const name = `server${++servers}`;
    server.hub = application === undefined ? 'testhub' : `${application}_testhub`;
    const args = ['--urls', 'http://127.0.0.1:0', '--name', name, '--connections', `${connections}`, '--shutdown', shutdown];
    if (application !== undefined) args.push('--app', application);
    await server.launch(name, [...command, ...args], {
      folder: gateway.folder,
      env: { Azure__SignalR__ConnectionString: `Endpoint=${gateway.endpoint};AccessKey=${gateway.key};Version=1.0;` },
    });
    // A hub server may listen before it is connected; until then it has no gateway to send clients to.
    await until(`${server.name} negotiates`, () => fetch(`${server.url()}/negotiate`, { method: 'POST' }).then((r) => r.ok, () => false));
    return server;
  }

  /** The hub's URL; `query` is {user, claim: [...], ...}. */
  url(query = {}) {
    const items = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) for (const one of [value].flat()) items.append(name, one);
    return `${this.endpoint}/test${items.size > 0 ? `?${items}` : ''}`;
  }

  /** Has the server do something outside of calls; resolves to the answer's text. */
  async control(method, path, query = {}, body) {
    const url = `${this.endpoint}/ctl/${path}?${new URLSearchParams(query)}`;
    const headers = body === undefined ? {} : { 'Content-Type': 'application/json' };
    const answer = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(text.trim() || `${method} ${path}: status ${answer.status}`);
    return text;
  }

  /** Clients that came and went, as {event, connectionId, user, server, migrated, error}; of one connection if `id` is given. */
  async events(id) {
    const all = JSON.parse(await this.control('GET', 'events'));
    return id === undefined ? all : all.filter((one) => one.connectionId === id);
  }
}
