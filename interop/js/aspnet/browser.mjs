// npm signalr 2.4 in headless Chromium, on a page of another origin than the gateway's. HUBGATE_ASPNET_SELF as in main.mjs.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Page } from '../browser/devtools.mjs';
import { NoUpgradeDetour } from '../lib/detour.mjs';
import { Report } from '../lib/report.mjs';
import { until } from '../lib/wait.mjs';
import { combinations, transports, versions } from './client.mjs';
import { freshWord, Stand, unlessNotServed } from './stand.mjs';

const module = (path) => readFileSync(new URL(`../node_modules/${path}`, import.meta.url));
const files = { '/jquery.js': ['text/javascript', module('jquery/dist/jquery.js')] };
for (const version of versions) {
  files[`/${version}.js`] = ['text/javascript', module(`signalr-${version}/jquery.signalR.js`)];
  files[`/${version}`] = ['text/html', `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script src="/jquery.js"></script><script src="/${version}.js"></script>`];
}
const server = createServer(({ url }, response) => {
  const [type, content] = files[url] ?? ['text/plain', 'no such file'];
  response.writeHead(files[url] ? 200 : 404, { 'Content-Type': type }).end(content);
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

const report = new Report('aspnet browser');
const self = process.env.HUBGATE_ASPNET_SELF;
if (!self) await unlessNotServed(report);
const stand = self ? Stand.self(self) : await Stand.behind();

/** Runs in the page: connects, and keeps what happens in `client`. */
function start(url, transport, query) {
  const connection = window.jQuery.hubConnection(url, { qs: query });
  const proxy = connection.createHubProxy('ChatHub');
  const client = { heard: [], states: [], errors: [], stop: () => void connection.stop() };
  window.client = client;
  proxy.on('news', (text) => client.heard.push(text));
  connection.error((error) => client.errors.push(error.message));
  connection.stateChanged(({ newState }) => client.states.push(newState));
  client.invoke = (method, ...args) => new Promise((done, failed) => proxy.invoke(method, ...args).done(done).fail((error) => failed(new Error(error.message))));
  return new Promise((done, failed) => {
    connection.start({ transport }).done(() => done({ id: connection.id, transport: connection.transport.name })).fail((error) => failed(new Error(error.message)));
  });
}

const invoke = (page, ...args) => page.run((...all) => window.client.invoke(...all), ...args);
const [connected, reconnecting, disconnected] = [1, 2, 4];

async function conversation(page, transport, detour) {
  const { id, transport: chosen } = await page.run(start, stand.applicationUrl(stand.servers?.[0], detour), transport, { user: 'ü 1' });
  assert.equal(chosen, transport);
  const text = 'Grüße 🚀 日本語';
  assert.equal(await invoke(page, 'Echo', text), text);
  assert.equal((await invoke(page, 'WhoAmI')).Query, 'ü 1');
  await assert.rejects(invoke(page, 'Fail', 'bad ü'), /bad ü/);
  const word = freshWord();
  await invoke(page, 'Join', word);
  await invoke(page, 'ToGroup', word, `${word}before`);
  await page.until('a text', (one) => window.client.heard.includes(one), `${word}before`);
  // The sender has another way to the gateway.
  const sender = await stand.connect(combinations[0]);
  await until('the client is cut off', async () => detour.drop() || page.run((state) => window.client.states.includes(state), reconnecting));
  const texts = Array.from({ length: 20 }, (_, i) => `${word}${i}`);
  for (const one of texts) await sender.invoke('ToGroup', word, one);
  await page.until('the client is back', (state) => window.client.states.at(-1) === state, connected);
  await page.until('the last text', (one) => window.client.heard.includes(one), texts.at(-1));
  assert.deepEqual((await page.run(() => window.client.heard)).filter((one) => one.startsWith(word)), [`${word}before`, ...texts]);
  assert.equal((await invoke(page, 'WhoAmI')).ConnectionId, id);
  await page.run(() => window.client.stop());
  assert.deepEqual(await page.run(() => window.client.states.at(-1)), disconnected);
  await until('/abort is sent', () => page.requests.some((url) => url.includes('/abort')));
  await sender.stop();
}

for (const version of versions) {
  const page = await Page.open(`http://127.0.0.1:${server.address().port}/${version}`);
  for (const transport of transports) {
    await report.run(`${version} ${transport}: C26 C111 C119 connect, call, receive, cut off, stop`, async () => {
      const detour = await stand.detour();
      await conversation(page, transport, detour);
      detour.close();
    });
  }
  await report.run(`${version} C101 falls back where upgrades are refused`, async () => {
    const detour = await stand.detour(NoUpgradeDetour);
    const { transport } = await page.run(start, stand.applicationUrl(stand.servers?.[0], detour), transports, {});
    assert.equal(transport, 'serverSentEvents');
    assert.equal(await invoke(page, 'Echo', 'fell back'), 'fell back');
    await page.run(() => window.client.stop());
    detour.close();
  });
  if (!self) {
    await report.run(`${version} C26 C116 a refusal is seen from another origin`, async () => {
      const { id } = await page.run(start, stand.applicationUrl(stand.server), 'longPolling', {});
      await stand.server.control('POST', `close/${id}?error=bye`);
      await page.until('the client has stopped', (state) => window.client.states.at(-1) === state, disconnected);
      assert.deepEqual(await page.run(() => window.client.errors), ['bye']);
    });
  }
  await page.close();
}
server.closeAllConnections();
server.close();
if (!self) {
  await report.run('the gateway ends when told', async () => {
    assert.deepEqual(await stand.close(), [0, 0]);
  });
}
report.finish();
