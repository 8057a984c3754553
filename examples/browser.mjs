// A headless Chromium for checks: it opens pages and runs JavaScript in them.
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { WebSocket, within, work } from './lab.mjs';

const flags = [
  '--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--disable-dev-shm-usage', '--remote-debugging-port=0', 'about:blank',
];

// launch starts the browser and returns { open, close }.
export async function launch() {
  const profile = join(work, 'chromium');
  mkdirSync(profile);
  const child = spawn(process.env.CHROMIUM ?? 'chromium', [`--user-data-dir=${profile}`, ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  const address = await within('chromium', Promise.race([ended.then(code => { throw new Error(`chromium ended with ${code}`); }),
    new Promise(resolve => createInterface({ input: child.stderr }).on('line', line => {
      const found = /DevTools listening on (ws:\S+)/.exec(line);
      if (found) resolve(found[1]);
    }))]));
  const socket = new WebSocket(address), waiting = new Map();
  await within('the debugger', new Promise(resolve => socket.once('open', resolve)));
  socket.on('message', data => {
    const { id, result, error } = JSON.parse(data);
    waiting.get(id)?.(error ? Promise.reject(new Error(error.message)) : result);
    waiting.delete(id);
  });
  let last = 0;
  const ask = (method, params, sessionId) => within(method, new Promise(resolve => {
    waiting.set(++last, resolve);
    socket.send(JSON.stringify({ id: last, method, params, sessionId }));
  }));

  // open shows a page and returns it. run runs JavaScript there and returns its value. shows waits until the page's text
  // contains all of these.
  async function open(url) {
    const { targetId } = await ask('Target.createTarget', { url });
    const { sessionId } = await ask('Target.attachToTarget', { targetId, flatten: true });
    const run = async expression => {
      const { result, exceptionDetails } = await ask('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true }, sessionId);
      if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
      return result.value;
    };
    const shows = async (...texts) => {
      let text = '';
      for (const end = Date.now() + 20_000; Date.now() < end; await new Promise(resolve => setTimeout(resolve, 50))) {
        text = await run('document.body?.innerText ?? ""');
        if (texts.every(one => text.includes(one))) return;
      }
      throw new Error(`the page does not show ${texts.join(', ')}: ${text}`);
    };
    return { run, shows, close: () => ask('Target.closeTarget', { targetId }) };
  }

  async function close() {
    socket.close();
    child.kill();
    await ended;
  }
  return { open, close };
}
