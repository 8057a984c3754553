// Proxies between a client and the gateway that can misbehave as networks do.
import { createServer as createHttpServer, request as httpRequest } from 'node:http';
import { connect, createServer } from 'node:net';

const listening = (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}`)));

/** Passes bytes; drop() resets every TCP connection that is open now. */
export class TcpDetour {
  static async to(port) {
    const detour = new TcpDetour();
    detour.sockets = new Set();
    detour.server = createServer((client) => {
      const server = connect(port, '127.0.0.1');
      for (const [socket, other] of [[client, server], [server, client]]) {
        detour.sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          detour.sockets.delete(socket);
          other.destroy();
        });
      }
      client.pipe(server).pipe(client);
    });
    detour.endpoint = await listening(detour.server);
    return detour;
  }

  drop() {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  close() {
    this.drop();
    this.server.close();
  }
}

/** Passes HTTP requests but refuses WebSocket upgrades, as some corporate proxies do. */
export class NoUpgradeDetour {
  static async to(port) {
    const detour = new NoUpgradeDetour();
    detour.server = createHttpServer((incoming, answer) => {
      const { method, url, headers } = incoming;
      const outgoing = httpRequest({ host: '127.0.0.1', port, method, path: url, headers }, (reply) => {
        answer.writeHead(reply.statusCode, reply.headers);
        answer.flushHeaders();
        reply.pipe(answer);
      });
      outgoing.on('error', () => answer.destroy());
      answer.on('close', () => outgoing.destroy());
      incoming.pipe(outgoing);
    });
    detour.server.on('upgrade', (_, socket) => socket.destroy());
    detour.endpoint = await listening(detour.server);
    return detour;
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }
}
