// Programs that serve: each prints a line "READY URL" when it can be used.
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { patience, within } from './wait.mjs';

const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class Child {
  /** Starts [program, ...args]; its error output goes to FOLDER/NAME.log. Resolves when it is ready; `endpoint` is the URL. */
  async launch(name, [program, ...args], { folder, env = {} }) {
    this.name = name;
    this.child = spawn(program, args, { cwd: folder, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(this.child);
    this.child.stderr.pipe(createWriteStream(join(folder, `${name}.log`)));
    this.exited = new Promise((resolve) => {
      this.child.once('close', (code, signal) => {
        running.delete(this.child);
        resolve(signal ?? code);
      });
    });
    const listens = new Promise((resolve, reject) => {
      createInterface({ input: this.child.stdout }).on('line', (line) => {
        const ready = /^READY (\S+)$/.exec(line);
        if (ready) resolve(ready[1]);
      });
      this.exited.then((how) => reject(new Error(`${name} ended: ${how}`)));
    });
    this.endpoint = await within(patience, `${name} is ready`, listens);
  }

  get gone() {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Ends it as a crash does. */
  kill() {
    this.child.kill('SIGKILL');
    return this.exited;
  }

  /** SIGTERM; resolves to the exit code when it has ended. */
  stop() {
    this.child.kill('SIGTERM');
    return within(patience, `${this.name} ends after SIGTERM`, this.exited);
  }
}
