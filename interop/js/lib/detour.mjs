// Proxies between a client and the gateway that can misbehave as networks do.
import { createServer as createHttpServer, request as httpRequest } from 'node:http';
import { connect, createServer } from 'node:net';

const listening = (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}`)));

/** Passes bytes; drop() resets every TCP connection that is open now. While `down` is set, no new one lasts. */
export class TcpDetour {
  static async to(port) {
    const detour = new TcpDetour();
    detour.sockets = new Set();
    detour.server = createServer((client) => {
      if (detour.down) return client.resetAndDestroy();
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

/** Passes HTTP requests but refuses WebSocket upgrades, as some corporate proxies do, and requests that `refuses` is true for. */
export class NoUpgradeDetour {
  static async to(port, refuses = () => false) {
    const detour = new this();
    detour.server = createHttpServer((incoming, answer) => {
      const { method, url, headers } = incoming;
      if (refuses(incoming)) return answer.destroy();
      const outgoing = httpRequest({ host: '127.0.0.1', port, method, path: url, headers }, (reply) => {
        answer.writeHead(reply.statusCode, reply.headers);
        answer.flushHeaders();
        reply.pipe(answer);
      });
      outgoing.on('error', () => answer.destroy());
      answer.on('close', () => outgoing.destroy());
      incoming.pipe(outgoing);
    });
    detour.server.on('upgrade', (request, socket) => detour.upgrade(request, socket));
    detour.port = port;
    detour.endpoint = await listening(detour.server);
    return detour;
  }

  upgrade(_, socket) {
    socket.destroy();
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** Lets WebSockets be opened, but holds back what the server sends on them. */
export class SilentDetour extends NoUpgradeDetour {
  upgrade({ method, url, rawHeaders }, client) {
    const server = connect(this.port, '127.0.0.1');
    for (const [socket, other] of [[client, server], [server, client]]) socket.on('error', () => {}).on('close', () => other.destroy());
    const headers = rawHeaders.flatMap((value, index) => (index % 2 === 0 ? [`${value}: ${rawHeaders[index + 1]}`] : []));
    server.write(`${[`${method} ${url} HTTP/1.1`, ...headers].join('\r\n')}\r\n\r\n`);
    client.pipe(server);
    let answer = '';
    server.on('data', (chunk) => {
      const before = answer.length;
      answer += chunk.toString('latin1');
      const end = answer.indexOf('\r\n\r\n') + 4;
      if (end < 4) client.write(chunk);
      else if (before < end) client.write(chunk.subarray(0, end - before));
    });
  }
}
