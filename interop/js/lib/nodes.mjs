// Several gateways that are one, behind a balancer that knows nothing of sessions: HUBGATE_NODES says how many.
import { connect, createServer } from 'node:net';

/** Gives each TCP connection to the next port of `ports`. */
export class Balancer {
  static async over(ports) {
    const balancer = new Balancer();
    Object.assign(balancer, { ports, next: 0, open: new Set() });
    balancer.server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => balancer.serve(client));
    await new Promise((resolve) => balancer.server.listen(0, '127.0.0.1', resolve));
    balancer.port = balancer.server.address().port;
    return balancer;
  }

  /** Pipes the connection to the next node; to the one after it, if that one does not listen. */
  serve(client, turn = this.next++, tries = this.ports.length) {
    const node = connect({ port: this.ports[turn % this.ports.length], host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    if (tries === this.ports.length) this.keep(client);
    const refused = () => {
      if (tries === 1 || client.destroyed) client.destroy();
      else this.serve(client, turn + 1, tries - 1);
    };
    node.once('error', refused);
    node.once('connect', () => {
      node.off('error', refused);
      this.keep(node);
      for (const [socket, other] of [[client, node], [node, client]]) {
        socket.on('close', () => other.destroySoon());
        socket.pipe(other);
      }
      if (client.destroyed) node.destroy();
    });
  }

  keep(socket) {
    this.open.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.open.delete(socket));
  }

  close() {
    for (const socket of this.open) socket.destroy();
    this.server.close();
  }
}

/** Has the interface of Gateway, for `nodes`: what is sent to it reaches one of them. */
export class Nodes {
  static async start(launch, count) {
    const all = new Nodes();
    all.nodes = await launch(count);
    all.balancer = await Balancer.over(all.nodes.map((node) => node.port));
    const [first] = all.nodes;
    const { port } = all.balancer;
    Object.assign(all, { port, endpoint: `http://127.0.0.1:${port}`, adminPort: first.adminPort, folder: first.folder, key: first.key, secondaryKey: first.secondaryKey, args: first.args });
    return all;
  }

  get keys() {
    return this.nodes[0].keys;
  }

  log() {
    return this.nodes.map((node) => node.log()).join('');
  }

  launch() {
    return Promise.all(this.nodes.map((node) => node.launch()));
  }

  /** Ends one node as a crash does. */
  async kill(node) {
    node.child.kill('SIGKILL');
    await node.exited;
  }

  /** Ends the nodes at the same time; resolves to 0, or to the first exit code that is not. */
  async stop(ms) {
    const codes = await Promise.all(this.nodes.map((node) => node.stop(ms)));
    return codes.find((code) => code !== 0) ?? 0;
  }
}
