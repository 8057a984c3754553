// A network that breaks WebSockets in the middle of what they carry.
import { connect, createServer } from 'node:net';

const endOfHead = Buffer.from('\r\n\r\n');

/** Passes bytes. While `cutting`, each upgraded connection is reset at an offset of its own, in the middle of whatever is there. */
export class Cutter {
  /** Offsets are below `most` bytes in one of the directions, counted from `calm` ms after the upgrade on. */
  static async to(port, { most = 4000, calm = 100 } = {}) {
    const cutter = new Cutter();
    Object.assign(cutter, { port, most, calm, cuts: 0, open: new Set() });
    cutter.server = createServer((client) => cutter.serve(client));
    await new Promise((resolve) => cutter.server.listen(0, '127.0.0.1', resolve));
    cutter.endpoint = `http://127.0.0.1:${cutter.server.address().port}`;
    return cutter;
  }

  serve(client) {
    const server = connect(this.port, '127.0.0.1');
    const pair = { client, server, upgraded: 0, left: { up: this.offset(), down: this.offset() } };
    this.open.add(pair);
    for (const [socket, other] of [[client, server], [server, client]]) {
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.open.delete(pair);
        other.destroy();
      });
    }
    client.on('data', (chunk) => this.pass(pair, 'up', chunk, server));
    server.on('data', (chunk) => {
      if (!pair.upgraded && chunk.includes('101 Switching Protocols') && chunk.includes(endOfHead)) pair.upgraded = Date.now();
      this.pass(pair, 'down', chunk, client);
    });
  }

  offset() {
    return Math.floor(Math.random() * this.most);
  }

  pass(pair, way, chunk, to) {
    if (!this.cutting || !pair.upgraded || Date.now() - pair.upgraded < this.calm) return void to.write(chunk);
    if (pair.left[way] >= chunk.length) {
      pair.left[way] -= chunk.length;
      return void to.write(chunk);
    }
    // The first bytes of the chunk still arrive, then nothing.
    const part = chunk.subarray(0, pair.left[way]);
    pair.left = { up: 0, down: 0 };
    this.cuts++;
    const reset = () => {
      pair.client.resetAndDestroy();
      pair.server.resetAndDestroy();
    };
    if (part.length === 0) reset();
    else to.end(part, reset);
  }

  close() {
    for (const { client, server } of this.open) {
      client.destroy();
      server.destroy();
    }
    this.server.close();
  }
}
