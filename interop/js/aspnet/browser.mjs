// npm signalr 2.4 in headless Chromium, on a page of another origin than the gateway's. See suite.mjs.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { Page } from '../browser/devtools.mjs';
import { NoUpgradeDetour } from '../lib/detour.mjs';
import { until } from '../lib/wait.mjs';
import { AspNetServer } from './hubserver.mjs';
import { combinations, transports, versions } from './client.mjs';
import { freshWord } from './stand.mjs';
import { beginning, self, standard } from './suite.mjs';

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

const report = await beginning('aspnet browser');

/** Runs in the page: makes and starts a client, whose doings are kept in `clients[name]`. */
function start(name, url, transport, query) {
  const connection = window.jQuery.hubConnection(url, { qs: query });
  const proxy = connection.createHubProxy('ChatHub');
  const client = { heard: [], progress: [], states: [], errors: [], state: proxy.state, stop: () => void connection.stop() };
  window.clients = { ...window.clients, [name]: client };
  proxy.on('news', (text) => client.heard.push(text));
  connection.error((error) => client.errors.push(error.message));
  connection.stateChanged(({ newState }) => client.states.push(newState));
  client.invoke = (method, ...args) => new Promise((done, failed) => {
    proxy.invoke(method, ...args).progress((value) => client.progress.push(value)).done(done)
      .fail(({ message, source, data }) => failed(new Error(JSON.stringify([message, source, data]))));
  });
  client.start = () => new Promise((done, failed) => {
    connection.start({ transport }).done(() => done({ id: connection.id, transport: connection.transport.name })).fail((error) => failed(new Error(error.message)));
  });
  return client.start();
}

const [connected, reconnecting, disconnected] = [1, 2, 4];

/** A client in the page. */
class PageClient {
  static async start(page, name, url, transport, query = {}) {
    const client = Object.assign(new PageClient(), { page, name });
    Object.assign(client, await page.run(start, name, url, transport, query));
    return client;
  }

  invoke(...args) {
    return this.page.run((name, ...all) => window.clients[name].invoke(...all), this.name, ...args);
  }

  get(what) {
    return this.page.run((name, member) => window.clients[name][member], this.name, what);
  }

  hears(text) {
    return this.page.until(`the text ${text}`, (name, one) => window.clients[name].heard.includes(one), this.name, text);
  }

  becomes(state) {
    return this.page.until(`state ${state}`, (name, one) => window.clients[name].states.at(-1) === one, this.name, state);
  }

  stop() {
    return this.page.run((name) => window.clients[name].stop(), this.name);
  }
}

async function conversation(stand, page, transport) {
  const user = freshWord();
  const [detour, other] = await Promise.all([stand.detour(), stand.connect(combinations[0], { query: { fakeuser: user } })]);
  const client = await PageClient.start(page, transport, stand.applicationUrl(stand.servers?.[0], detour), transport, { user: 'ü 1', fakeuser: user });
  assert.equal(client.transport, transport);
  const text = 'Grüße 🚀 日本語';
  assert.equal(await client.invoke('Echo', text), text);
  assert.deepEqual(await client.invoke('WhoAmI'), { ConnectionId: client.id, Query: 'ü 1', User: user });
  await assert.rejects(client.invoke('Fail', 'bad ü'), ({ message }) => message.includes(JSON.stringify(['bad ü', 'HubException', { text: 'bad ü' }])));
  await assert.rejects(client.invoke('Crash', 'broken'), ({ message }) => message.includes('["broken","Exception",null]'));
  await client.invoke('State', 3);
  assert.deepEqual(await client.get('state'), { counter: 3 });
  assert.equal(await client.invoke(self ? 'Progress' : 'ProgressInside', 3), 3);
  if (!self) assert.deepEqual(await client.get('progress'), [0, 1, 2]);
  const word = freshWord();
  await other.invoke('Others', `${word}others`);
  await other.invoke('ToUser', user, `${word}user`);
  await client.invoke('Broadcast', `${word}all`);
  for (const one of ['others', 'user', 'all']) await client.hears(word + one);
  await client.invoke('Join', word);
  await client.invoke('ToGroup', word, `${word}group`);
  await client.hears(`${word}group`);

  await until('the client is cut off', async () => detour.drop() || (await client.get('states')).includes(reconnecting));
  const texts = Array.from({ length: 20 }, (_, i) => `${word}away ${i}`);
  for (const one of texts) await other.invoke('ToGroup', word, one);
  await client.becomes(connected);
  await client.hears(texts.at(-1));
  assert.deepEqual((await client.get('heard')).filter((one) => one.startsWith(`${word}away`)), texts);
  assert.equal((await client.invoke('WhoAmI')).ConnectionId, client.id);
  await client.stop();
  await client.becomes(disconnected);
  if (!self) await until('the hub is told', async () => (await stand.server.events(client.id)).at(-1).event === 'disconnected');
  await other.stop();
  detour.close();
}

async function fallsBack(stand, page) {
  const detour = await stand.detour(NoUpgradeDetour);
  const client = await PageClient.start(page, 'falls back', stand.applicationUrl(stand.servers?.[0], detour), transports);
  assert.equal(client.transport, 'serverSentEvents');
  assert.equal(await client.invoke('Echo', 'fell back'), 'fell back');
  await client.stop();
  detour.close();
}

const everyTransport = (stand, page) => Promise.all(transports.map((one) => PageClient.start(page, one, stand.applicationUrl(stand.server), one)));

async function closedByTheHub(stand, page) {
  for (const client of await everyTransport(stand, page)) {
    await client.invoke('Nothing'); // the hub server knows the client by then
    await stand.server.control('POST', `close/${client.id}?error=bye`);
    await client.becomes(disconnected);
    assert.deepEqual(await client.get('errors'), ['bye']);
  }
}

async function serverKilled(stand, page) {
  const clients = await everyTransport(stand, page);
  await stand.server.kill();
  for (const client of clients) {
    await client.becomes(disconnected);
    assert.match((await client.get('errors')).join(), /\w/);
  }
  stand.servers = [await AspNetServer.start(stand.gateway)];
}

async function gatewayRestarts(stand, page) {
  const clients = await everyTransport(stand, page);
  assert.equal(await stand.gateway.stop(), 0);
  await stand.gateway.launch();
  for (const client of clients) {
    await client.becomes(disconnected);
    await until('the application is connected again', () => page.run((name) => window.clients[name].start(), client.name).then(() => true, () => false));
    assert.equal(await client.invoke('Echo', 'started again'), 'started again');
    await client.stop();
  }
}

async function inChromium(version) {
  const stand = await standard();
  const page = await Page.open(`http://127.0.0.1:${server.address().port}/${version}`);
  for (const transport of transports) {
    await report.run(`${version} ${transport}: C26 C111 C118 C119 H87 calls, sends, cut off, stop`, () => conversation(stand, page, transport));
  }
  await report.run(`${version} C101 falls back where upgrades are refused`, () => fallsBack(stand, page));
  if (!self) {
    await report.run(`${version} C26 C116 closed by the hub`, () => closedByTheHub(stand, page));
    await report.run(`${version} C116 kill -9 of the hub server`, () => serverKilled(stand, page));
    await report.run(`${version} C120 the gateway restarts`, () => gatewayRestarts(stand, page));
  }
  await page.close();
  if (!self) await report.run(`${version} the gateway ends when told`, async () => assert.deepEqual(await stand.close(), [0, 0]));
}

// One after the other: a Chromium is much for a small machine.
for (const version of versions) await inChromium(version);
server.closeAllConnections();
server.close();
report.finish();
