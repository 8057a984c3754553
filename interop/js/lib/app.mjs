// The application's own server: answers a client's first negotiate with the gateway's address and a token.
import { createServer } from 'node:http';
import { clientToken } from './token.mjs';

export class App {
  static async listen() {
    const app = new App();
    app.rooms = new Map();
    app.server = createServer((request, response) => app.serve(request, response));
    await new Promise((resolve) => app.server.listen(0, '127.0.0.1', resolve));
    app.endpoint = `http://127.0.0.1:${app.server.address().port}`;
    return app;
  }

  /**
   * Makes a hub URL for a client. `grant` is {gateway, hub, user?, claims?, endpoint?}: `endpoint` is where the client
   * is sent if that is not the gateway itself. The returned room counts its negotiates.
   */
  room(grant) {
    const room = { ...grant, path: `/room${this.rooms.size}`, negotiates: 0 };
    room.url = `${this.endpoint}${room.path}`;
    room.token = () => {
      const claims = { ...(room.user === undefined ? {} : { 'asrs.s.uid': room.user }), ...room.claims };
      return clientToken(room.key ?? room.gateway.key, room.gateway.endpoint, room.hub, claims);
    };
    room.clientUrl = () => `${room.endpoint ?? room.gateway.endpoint}/client/?hub=${room.hub}${room.query ?? ''}`;
    this.rooms.set(`${room.path}/negotiate`, room);
    return room;
  }

  /** Lets clients of other languages make rooms by their URL: /open/HUB or /open/HUB/USER. */
  openTo(gateway) {
    this.gateway = gateway;
  }

  find(path) {
    const open = this.gateway && /^\/open\/([^/]+)(?:\/([^/]+))?\/negotiate$/.exec(path);
    if (open && !this.rooms.has(path)) {
      const { path: made } = this.room({ gateway: this.gateway, hub: open[1], user: open[2] && decodeURIComponent(open[2]) });
      this.rooms.set(path, this.rooms.get(`${made}/negotiate`));
    }
    return this.rooms.get(path);
  }

  serve(request, response) {
    const room = this.find(request.url.split('?')[0]);
    if (!room) return response.writeHead(404).end();
    room.negotiates++;
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify({ url: room.clientUrl(), accessToken: room.token() }));
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }
}
