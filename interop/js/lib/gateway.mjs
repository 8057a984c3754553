// Starts the built binary (HUBGATE_BIN) on free loopback ports, and stops it.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream, existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../../internal/freeport/freeport.mjs';
import { Nodes } from './nodes.mjs';
import { patience, until, within } from './wait.mjs';

// What a case that failed has left behind ends with this process.
const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class Gateway {
  /** Starts a gateway with fresh random keys, of HUBGATE_NODES nodes; `args` are further flags. Resolves when it is ready. */
  static async start(args = []) {
    const keys = { key: randomBytes(24).toString('hex'), secondaryKey: randomBytes(24).toString('hex') };
    const count = Number(process.env.HUBGATE_NODES ?? 1);
    if (count === 1) return Gateway.one(args, keys);
    return Nodes.start(() => Gateway.several(count, args, keys), count);
  }

  /** Starts nodes that find each other. */
  static async several(count, args, keys) {
    const names = Array.from({ length: count }, (_, i) => String.fromCharCode(97 + i));
    const voters = count < 3 ? names.slice(0, 1) : names.slice(0, 3);
    const ports = await Promise.all(names.map(freePort));
    const listens = ports.map((port) => `127.0.0.1:${port}`);
    const nodes = await Promise.all(names.map((name, i) => Gateway.one([
      ...args, '--node', name, '--cluster-listen', listens[i], '--cluster-peer', listens[(i + 1) % count], '--cluster-voter', voters.join(','),
    ], keys)));
    await Promise.all(nodes.map((node) => until('the nodes know each other', () => node.ready(count))));
    return nodes;
  }

  /** Resolves to whether the node is ready, and has heard of all others. */
  async ready(count) {
    const answer = await fetch(`http://127.0.0.1:${this.adminPort}/readyz`);
    const up = this.log().match(/msg="a node is up"/g) ?? [];
    return answer.ok && up.length >= count - 1;
  }

  static async one(args, keys) {
    const gateway = new Gateway();
    Object.assign(gateway, keys, { args });
    gateway.folder = mkdtempSync(join(process.env.HUBGATE_WORK ?? tmpdir(), 'gateway-'));
    gateway.logFile = join(gateway.folder, 'log');
    for (let attempt = 1; ; attempt++) {
      gateway.port = await freePort();
      gateway.adminPort = await freePort();
      gateway.endpoint = `http://127.0.0.1:${gateway.port}`;
      try {
        await gateway.launch();
        return gateway;
      } catch (error) {
        // Between freePort and listen somebody may take the port who has not asked there.
        if (attempt === 3 || !gateway.log().includes('address already in use')) throw error;
      }
    }
  }

  async launch() {
    const log = createWriteStream(this.logFile, { flags: 'a' });
    const flags = [
      '--listen', `127.0.0.1:${this.port}`, '--admin-listen', `127.0.0.1:${this.adminPort}`,
      '--access-key', this.key, '--secondary-key', this.secondaryKey,
    ];
    this.child = spawn(process.env.HUBGATE_BIN, ['serve', ...flags, ...this.args], {
      cwd: this.folder,
      stdio: ['ignore', 'ignore', 'pipe'], // standard output greets people, and may show a key to them
    });
    this.child.stderr.pipe(log);
    const { child } = this;
    running.add(child);
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        running.delete(child);
        resolve(signal ?? code);
      });
      child.once('error', (error) => resolve(error.message));
    });
    let ended;
    this.exited.then((how) => (ended = { how }));
    await until('the gateway is ready', async () => {
      if (ended) throw new Error(`the gateway ended: ${ended.how} ${this.log().slice(-500)}`);
      return fetch(`${this.endpoint}/api/health`).then((r) => r.ok, () => false);
    });
  }

  get keys() {
    return [this.key, this.secondaryKey];
  }

  log() {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : '';
  }

  /** SIGTERM, then waits for the drain to end; resolves to the exit code. */
  async stop(ms = patience) {
    this.child.kill('SIGTERM');
    try {
      return await within(ms, 'the gateway ends after SIGTERM', this.exited);
    } catch (error) {
      this.child.kill('SIGKILL');
      throw error;
    }
  }
}
