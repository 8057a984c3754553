// The ports of freeport.go, for programs in Node: a UDP socket on the same port says to everybody who looks that it is taken.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const host = '127.0.0.1', first = 10_000, last = 32_000;

/** Resolves to a port on which nobody listens. Nobody else is given it while this process lives. */
export async function freePort() {
  for (;;) {
    const port = first + Math.floor((last - first) * Math.random());
    const twin = await bound(createSocket('udp4'), (socket) => socket.bind({ port, address: host, exclusive: true }));
    if (!twin) continue;
    const probe = await bound(createServer(), (server) => server.listen(port, host));
    if (!probe) {
      twin.close();
      continue;
    }
    await new Promise((resolve) => probe.close(resolve));
    twin.unref();
    return port;
  }
}

const bound = (socket, bind) => new Promise((resolve) => {
  socket.once('error', () => resolve()).once('listening', () => resolve(socket));
  bind(socket);
});
