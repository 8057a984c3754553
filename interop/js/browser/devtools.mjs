// A page in headless Chromium, driven by the DevTools protocol.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { until, within } from '../lib/wait.mjs';

const flags = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', '--remote-debugging-port=0',
];

export class Page {
  /** Opens a page; `requests` are the URLs that it asks for, `problems` what it says to its console, and its exceptions. */
  static async open(url) {
    const page = new Page();
    Object.assign(page, { requests: [], problems: [], calls: new Map(), last: 0 });
    page.profile = mkdtempSync(join(process.env.HUBGATE_WORK ?? tmpdir(), 'chromium-'));
    page.browser = spawn(process.env.CHROMIUM ?? 'chromium', [...flags, `--user-data-dir=${page.profile}`, 'about:blank'], { stdio: ['ignore', 'ignore', 'pipe'] });
    page.gone = new Promise((resolve) => page.browser.once('close', resolve));
    let stderr = '';
    page.browser.stderr.on('data', (chunk) => (stderr += chunk));
    const address = await until('chromium listens', () => /DevTools listening on (ws:\S+)/.exec(stderr)?.[1]);
    page.socket = new WebSocket(address);
    await new Promise((resolve, reject) => page.socket.once('open', resolve).once('error', reject));
    page.socket.on('message', (data) => page.take(JSON.parse(data)));
    const { targetId } = await page.call('Target.createTarget', { url: 'about:blank' });
    ({ sessionId: page.session } = await page.call('Target.attachToTarget', { targetId, flatten: true }));
    for (const domain of ['Page', 'Runtime', 'Network', 'Log', 'Accessibility']) await page.call(`${domain}.enable`);
    await page.call('Page.navigate', { url });
    await page.until('the page is there', () => location.href !== 'about:blank' && document.readyState === 'complete');
    return page;
  }

  take({ id, result, error, method, params }) {
    if (id) {
      const { resolve, reject } = this.calls.get(id);
      this.calls.delete(id);
      return error ? reject(new Error(error.message)) : resolve(result);
    }
    if (method === 'Network.requestWillBeSent') this.requests.push(params.request.url);
    if (method === 'Runtime.exceptionThrown') this.problems.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    if (method === 'Log.entryAdded') this.problems.push(params.entry.text);
  }

  call(method, params = {}) {
    const id = ++this.last;
    const answer = new Promise((resolve, reject) => this.calls.set(id, { resolve, reject }));
    this.socket.send(JSON.stringify({ id, method, params, sessionId: this.session }));
    return within(60_000, method, answer);
  }

  /** What a function of the page returns; it may be asynchronous. `args` are JSON values. */
  async run(body, ...args) {
    const { result, exceptionDetails } = await this.call('Runtime.evaluate', {
      expression: `(${body})(...${JSON.stringify(args)})`, awaitPromise: true, returnByValue: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Waits until a function of the page returns something truthy, which it returns. */
  until(what, body, ...args) {
    return until(what, () => this.run(body, ...args));
  }

  async close() {
    this.socket.close();
    this.browser.kill('SIGTERM');
    await within(10_000, 'chromium ends', this.gone).catch(() => this.browser.kill('SIGKILL'));
    rmSync(this.profile, { recursive: true, force: true });
  }
}
