// The browser build of @microsoft/signalr in headless Chromium, on a page from another origin than the gateway's.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Report } from '../lib/report.mjs';
import { within } from '../lib/wait.mjs';
import { World, freshHub } from '../lib/world.mjs';

const chromium = process.env.CHROMIUM ?? 'chromium';
const flags = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage',
];

const local = (path) => readFileSync(new URL(path, import.meta.url));
const files = {
  '/': ['text/html', local('page.html')],
  '/page.js': ['text/javascript', local('page.js')],
  '/signalr.js': ['text/javascript', local('../node_modules/signalr-10/dist/browser/signalr.js')],
  '/signalr-protocol-msgpack.js': ['text/javascript', local('../node_modules/msgpack-10/dist/browser/signalr-protocol-msgpack.js')],
};

const world = await World.create();
world.webhook.on('Echo', (event) => ({ result: event.message.arguments[0] }));
const report = new Report('browser');
let finished;
const done = new Promise((resolve) => (finished = resolve));

/** What the page asks of the server it came from. The application's negotiate lives here too: it is the page's own origin. */
const actions = {
  '/room': () => {
    const room = world.app.room({ gateway: world.gateway, hub: freshHub('browser') });
    return { url: room.path, hub: room.hub, token: room.token(), gateway: world.gateway.endpoint };
  },
  '/send': async ({ hub, id, args }) => (await world.rest.toConnection(hub, id, 'news', args)).status,
  '/close': async ({ hub, id, reason }) => (await world.rest.closeConnection(hub, id, reason)).status,
  '/report': ({ kind, name, why }) => report.line(kind, name, why),
  '/done': () => finished(),
};

const server = createServer(async (request, response) => {
  const [path] = request.url.split('?');
  if (files[path]) return response.writeHead(200, { 'Content-Type': files[path][0] }).end(files[path][1]);
  if (!actions[path]) return world.app.serve(request, response);
  try {
    const chunks = await request.toArray();
    const answer = await actions[path](JSON.parse(Buffer.concat(chunks).toString()));
    return response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer ?? null));
  } catch (error) {
    return response.writeHead(500).end(JSON.stringify(error.message));
  }
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

const profile = mkdtempSync(join(process.env.HUBGATE_WORK ?? tmpdir(), 'chromium-'));
const page = `http://127.0.0.1:${server.address().port}/`;
const browser = spawn(chromium, [...flags, `--user-data-dir=${profile}`, page], { stdio: ['ignore', 'ignore', 'pipe'] });
let stderr = '';
browser.stderr.on('data', (chunk) => (stderr = (stderr + chunk).slice(-2000)));
const gone = new Promise((resolve) => {
  browser.once('error', (error) => resolve(error));
  browser.once('close', (code) => resolve(new Error(`chromium ended with ${code}: ${stderr}`)));
});

await report.run('the page runs to its end', async () => {
  const error = await within(150_000, `the page (chromium said: ${stderr})`, Promise.race([done, gone]));
  if (error) throw error;
});
browser.kill('SIGTERM');
await within(10_000, 'chromium ends', gone).catch(() => browser.kill('SIGKILL'));
rmSync(profile, { recursive: true, force: true });
await report.run('R58 every webhook carried a good signature', () => {
  if (world.webhook.problems.length > 0) throw new Error(world.webhook.problems.join('; '));
});
await world.close();
report.finish();
