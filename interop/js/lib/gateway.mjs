// Starts the built binary (HUBGATE_BIN) on free loopback ports, and stops it.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream, existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { patience, until, within } from './wait.mjs';

// What a case that failed has left behind ends with this process.
const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

export class Gateway {
  /** Starts a gateway with fresh random keys; `args` are further flags. Resolves when health answers 200. */
  static async start(args = []) {
    const gateway = new Gateway();
    gateway.key = randomBytes(24).toString('hex');
    gateway.secondaryKey = randomBytes(24).toString('hex');
    gateway.args = args;
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
        // Between freePort and listen somebody else may take the port.
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
