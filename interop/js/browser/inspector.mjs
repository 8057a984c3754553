// The inspector page of the admin address in headless Chromium, while official clients are connected.
import { Report } from '../lib/report.mjs';
import { World } from '../lib/world.mjs';
import { Page } from './devtools.mjs';

const report = new Report('inspector');
const world = await World.create();
world.webhook.on('Echo', (event) => ({ result: event.message.arguments[0] }));
const admin = `http://127.0.0.1:${world.gateway.adminPort}`;
const combination = { version: '10', protocol: 'json', transport: 'WebSockets' };
const client = await world.connect(combination, { user: 'ann' });
const page = await Page.open(admin + '/inspector');

/** The texts of the rows that are shown and contain all the words. */
const rows = (...words) => [...document.querySelectorAll('#events > li')]
  .filter((row) => !row.hidden).map((row) => `${row.dataset.kind} ${row.textContent}`).filter((text) => words.every((word) => text.includes(word)));
const wantRow = (...words) => page.until(`a row with ${words.join(' and ')}`, `(...words) => (${rows})(...words)[0]`, ...words);
const open = (word) => page.run((text) => {
  [...document.querySelectorAll('#events > li')].find((row) => row.textContent.includes(text)).querySelector('details').open = true;
}, word);

await report.run('it shows who is connected already', async () => {
  await page.until('the page is live', () => document.querySelector('#status').dataset.state === 'live');
  await page.until('the client', () => document.querySelector('#here').innerText.includes('ann'));
});

await report.run('it shows a send and how many it reached', async () => {
  await world.rest.toUser(client.hub, 'ann', 'news', ['<b>one</b>']);
  await wantRow('send', 'news', '("<b>one</b>") → user ann', '1 connection');
  await world.rest.toUser(client.hub, 'bob', 'news', ['two']);
  await wantRow('send', 'news', 'user bob', 'nobody');
});

await report.run('it shows a webhook with request and answer', async () => {
  if ((await client.connection.invoke('Echo', 'hello webhook')) !== 'hello webhook') throw new Error('no echo');
  await wantRow('webhook', 'Echo', '("hello webhook")', '200');
  await open('Echo');
  const texts = await page.until('the bodies', () => {
    const found = [...document.querySelectorAll('.event details[open] pre')].map((pre) => pre.textContent);
    return found.length === 2 && found;
  });
  const [request, answer] = texts.map(JSON.parse);
  if (request.target !== 'Echo' || answer.result !== 'hello webhook') throw new Error(texts.join(' '));
});

await report.run('its form sends', async () => {
  const inbox = client.inbox('fromThePage');
  const said = await page.run(async (hub) => {
    const form = document.querySelector('#send');
    form.elements.hub.value = hub;
    form.elements.method.value = 'fromThePage';
    form.elements.arguments.value = 'plain words\n{"a":[1]}';
    form.requestSubmit();
    while (!document.querySelector('#sent').textContent) await new Promise((resolve) => setTimeout(resolve, 10));
    return document.querySelector('#sent').textContent;
  }, client.hub);
  if (!said.includes('Accepted for 1 connection.')) throw new Error(said);
  const got = JSON.stringify(await inbox.next());
  if (got !== '["plain words",{"a":[1]}]') throw new Error(got);
  await page.run(() => document.querySelector('#sent button').click());
  await wantRow('fromThePage');
  const shown = await page.run(`() => (${rows})().length`);
  if (shown !== 1) throw new Error(`${shown} rows have the trace of the send`);
});

await report.run('filters hide what is not asked for', async () => {
  const shown = await page.run(`(...words) => {
    const find = document.querySelector('#find');
    const set = (text) => { find.value = text; find.dispatchEvent(new Event('input')); return (${rows})(); };
    const hooks = set('webhook echo');
    const all = set('');
    document.querySelector('[name=kind][value=send]').click();
    return [hooks, all, (${rows})()];
  }`);
  const [hooks, all, without] = shown;
  if (hooks.length !== 1 || !all.some((row) => row.startsWith('send')) || without.length === 0 || without.some((row) => row.startsWith('send'))) throw new Error(JSON.stringify(shown));
});

await report.run('it asks nobody else for anything, and breaks no policy', async () => {
  const others = page.requests.filter((url) => !url.startsWith(admin + '/'));
  if (others.length > 0) throw new Error(others.join(' '));
  if (page.requests.length < 8) throw new Error(`only ${page.requests}`);
  if (page.problems.length > 0) throw new Error(page.problems.join('; '));
});

await report.run('everything that can be used has a name', async () => {
  const { nodes } = await page.call('Accessibility.getFullAXTree');
  const roles = ['button', 'textbox', 'searchbox', 'checkbox', 'combobox', 'link', 'image'];
  const used = nodes.filter((node) => !node.ignored && roles.includes(node.role?.value));
  const nameless = used.filter((node) => !node.name?.value);
  if (used.length < 15) throw new Error(`only ${used.length} are there`);
  if (nameless.length > 0) throw new Error(nameless.map((node) => node.role.value).join(' '));
});

await report.run('it fits on a phone', async () => {
  await page.call('Emulation.setDeviceMetricsOverride', { width: 360, height: 740, deviceScaleFactor: 2, mobile: true });
  const width = await page.run(() => document.documentElement.scrollWidth);
  if (width > 360) throw new Error(`it is ${width} wide`);
});

await report.run('it says that the gateway is gone', async () => {
  await client.connection.stop();
  await world.close();
  await page.until('the state', () => document.querySelector('#status').dataset.state === 'waiting');
});

await page.close();
report.finish();
