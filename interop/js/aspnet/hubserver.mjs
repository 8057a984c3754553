// Hub servers of ASP.NET SignalR behind a gateway: interop/aspnethub, or what HUBGATE_ASPNETSERVER (a command as a JSON array) starts.
import { Child } from '../lib/child.mjs';

let servers = 0;

export class AspNetServer extends Child {
  /** `options`: application, connections, and endpoint, where clients are sent. Resolves when it is connected. */
  static async start(gateway, { application = 'classic', connections = 5, endpoint = gateway.endpoint } = {}) {
    const server = new AspNetServer();
    const name = `aspnet${++servers}`;
    const args = ['--urls', 'http://127.0.0.1:0', '--name', name, '--connections', `${connections}`, '--app', application];
    const connection = `Endpoint=${gateway.endpoint};AccessKey=${gateway.key};ClientEndpoint=${endpoint};Version=1.0;`;
    await server.launch(name, [...JSON.parse(process.env.HUBGATE_ASPNETSERVER), ...args], {
      folder: gateway.folder, env: { Azure__SignalR__ConnectionString: connection },
    });
    server.application = application;
    return server;
  }

  async control(method, path) {
    const answer = await fetch(`${this.endpoint}/ctl/${path}`, { method });
    if (!answer.ok) throw new Error(`${method} ${path}: status ${answer.status}`);
    return answer.text();
  }

  /** What ChatHub was told of a client: "connected", "reconnected", "disconnected". */
  async events(id) {
    const all = JSON.parse(await this.control('GET', 'events'));
    return all.filter((one) => one.connectionId === id);
  }
}
