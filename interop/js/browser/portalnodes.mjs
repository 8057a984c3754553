// The portal of three nodes that are one gateway, in headless Chromium, while official clients are connected to all.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Report } from '../lib/report.mjs';
import { until } from '../lib/wait.mjs';
import { World } from '../lib/world.mjs';
import { Portal } from './portalpage.mjs';

const report = new Report('portal of three nodes');
const token = 'the admin token of all nodes';
const tokenFile = join(mkdtempSync(join(process.env.HUBGATE_WORK ?? tmpdir(), 'token-')), 'token');
writeFileSync(tokenFile, token, { mode: 0o600 });
process.env.HUBGATE_NODES = '3';
const world = await World.create(() => ['--upstream', 'echo', '--admin-token-file', tokenFile, '--faults-hub', 'chat']);
const [a, b, c] = world.gateway.nodes;
const at = (node) => `http://127.0.0.1:${node.adminPort}`;
const clients = [];
// The balancer gives each connection to the next node; negotiate is one, the WebSocket another one.
for (const user of ['ann', 'bob', 'eve', 'fay', 'gus']) {
  clients.push(await world.connect({ version: '10', protocol: 'json', transport: 'WebSockets' }, { hub: 'chat', user }));
}
const page = await Portal.open(at(a));

const stations = () => page.run(() => [...document.querySelectorAll('.strip .station strong')].map((s) => s.textContent));
const choose = (name) => page.until(`the choice of ${name}`, (label) => {
  const button = [...document.querySelectorAll('[aria-label="Whose numbers are shown"] button')].find((one) => one.textContent.startsWith(label));
  button?.click();
  return button?.getAttribute('aria-pressed') === 'true';
}, name);
/** The table of nodes: rows of cells by their heads. */
const nodes = () => page.run(() => {
  const table = [...document.querySelectorAll('.card')].find((one) => one.querySelector('h2')?.textContent === 'Nodes')?.querySelector('table');
  return [...(table?.querySelectorAll('tbody tr') ?? [])].map((row) => Object.fromEntries([['Node', row.querySelector('th').textContent], ...[...row.querySelectorAll('td')].map((cell) => [cell.dataset.name, cell.textContent])]));
});

await report.run('the overview counts the clients of all nodes, and of each', async () => {
  await page.login(token);
  await page.until('five clients', () => document.querySelector('.strip .station strong')?.textContent === '5');
  await page.shows('All nodes', 'a (this one)', 'Nodes');
  await page.until('three nodes', () => document.querySelectorAll('[aria-label="Nodes"] tbody tr').length === 3);
  await page.until('the numbers of each', () => [...document.querySelectorAll('[aria-label="Nodes"] td[data-name=Clients]')].every((cell) => cell.textContent !== ''));
  await clients[0].connection.invoke('Echo', 1);
  await page.until('charts', () => document.querySelectorAll('.chart path.line').length >= 6);
  await page.shoot('nodes-all');
  const rows = await nodes();
  if (rows.reduce((sum, row) => sum + Number(row.Clients), 0) !== 5) throw new Error(JSON.stringify(rows));
  for (const row of rows) {
    await choose(row.Node);
    const [shown] = await stations();
    if (shown !== row.Clients) throw new Error(`${row.Node}: ${shown} of ${JSON.stringify(rows)}`);
  }
  await page.shoot('nodes-one');
  await choose('All nodes');
});

await report.run('whoever is logged in at one node is at the others', async () => {
  await page.call('Page.navigate', { url: `${at(b)}/portal/` });
  await page.until('the portal of b', () => document.querySelector('nav') && location.port !== '');
  await page.shows('b (this one)');
});

await report.run('connections of all nodes are listed, with their node', async () => {
  await page.go('explore', '?hub=chat');
  await page.shows('ann', 'bob', 'eve', 'fay', 'gus');
  await page.shoot('nodes-explore');
});

await report.run('a setting that is changed here is changed at the others, with who did it', async () => {
  await page.go('settings');
  await page.type('Origins (CORS)', 'Allowed origins', 'https://app.example');
  await page.click('Origins (CORS)', 'Change');
  await page.shows('Revision 2', 'In force.');
  await page.call('Page.navigate', { url: `${at(c)}/portal/#/settings` });
  await page.shows('Revision 2', 'by admin token');
  await page.shoot('nodes-settings');
});

await report.run('a fault hits clients of all nodes, and each share is shown', async () => {
  await page.go('faults');
  await page.type('Inject a fault', 'Hub', 'chat');
  await page.click('Inject a fault', 'Inject');
  await page.until('the fault', () => document.querySelector('tbody th')?.textContent === 'chat');
  await world.rest.toAll('chat', 'lost', []);
  await page.until('five hits', () => {
    [...document.querySelectorAll('.card button')].find((one) => one.textContent === 'Refresh').click();
    return document.querySelector('td[data-name=Hits]')?.firstChild.textContent === '5' && document.querySelectorAll('.shares span').length === 3;
  });
  await page.shoot('nodes-faults');
  await page.click('In force', 'End');
  await page.shows('No fault is injected.');
});

await report.run('the live trace shows what happens at other nodes', async () => {
  await page.go('trace');
  await page.until('it is live', () => document.querySelector('[data-state=live]'));
  for (const one of clients) await one.connection.invoke('Echo', 'over nodes');
  await page.until('calls of all clients', () => ['ann', 'bob', 'eve', 'fay', 'gus'].every((user) => [...document.querySelectorAll('.event[data-kind=webhook] .about')].some((about) => about.textContent.includes(user))));
  await page.shoot('nodes-trace');
  await page.click('Recorded', 'Search');
  await page.until('what was recorded', () => [...document.querySelectorAll('.card')].at(-1).querySelectorAll('.event').length > 3);
});

await report.run('a node that is away is shown as such, and the others are counted', async () => {
  await page.go('overview');
  await page.until('three nodes', () => document.querySelectorAll('[aria-label="Nodes"] tbody tr').length === 3);
  await world.gateway.kill(b);
  await page.until('it is away', () => document.querySelectorAll('[aria-label="Nodes"] tr.tone-good').length === 2);
  await page.until('charts', () => document.querySelectorAll('.chart path.line').length >= 6);
  await page.shoot('nodes-away');
});

await report.run('the keyboard chooses a node', async () => {
  await page.run(() => document.querySelector('[aria-label="Whose numbers are shown"] button').focus());
  for (const [key, code, number, more] of [['Tab', 'Tab', 9, {}], ['Enter', 'Enter', 13, { text: '\r' }]]) {
    for (const type of ['keyDown', 'keyUp']) await page.call('Input.dispatchKeyEvent', { type, key, code, windowsVirtualKeyCode: number, ...(type === 'keyDown' ? more : {}) });
  }
  await page.until('the first node', () => document.querySelectorAll('[aria-label="Whose numbers are shown"] button')[1].getAttribute('aria-pressed') === 'true');
});

await report.run('it fits on a phone', async () => {
  await page.onAPhone(async () => {
    for (const name of ['overview', 'faults']) {
      await page.go(name);
      await page.until('it is drawn', () => document.querySelector('main .card'));
      const width = await page.run(() => document.documentElement.scrollWidth);
      if (width > 360) throw new Error(`${name} is ${width} wide`);
    }
  });
});

await report.run('who logs out at one node is logged out at the others', async () => {
  const { cookies } = await page.call('Network.getCookies', { urls: [at(a)] });
  await page.click('', 'Log out');
  await page.until('the login', () => document.querySelector('input[type=password]'));
  const copied = cookies.map(({ name, value }) => `${name}=${value}`).join('; ');
  if (!copied.includes('hubgate-session')) throw new Error(copied);
  for (const node of [a, c]) {
    const { status } = await fetch(`${at(node)}/api/session`, { headers: { Cookie: copied } });
    if (status !== 401) throw new Error(`status ${status}`);
  }
});

await report.run('a node without the store says so, and shows what it has', async () => {
  await page.login(token);
  await world.gateway.kill(a); // the one that is left is no majority
  await page.go('overview');
  await page.until('it is alone', () => document.querySelectorAll('[aria-label="Nodes"] tr.tone-good').length === 1);
  // Its copy of the store answers until it notices that it has no majority.
  await until('the store does not answer', async () => {
    await page.go('overview');
    await page.go('settings');
    await page.until('settings, or why not', () => /Revision|Try again/.test(document.body.innerText));
    return page.run(() => document.body.innerText.includes('Try again'));
  });
  await page.shows('does not answer', 'Try again');
  await page.shoot('nodes-no-store');
  await world.gateway.kill(c);
  await page.shows('The gateway does not answer.');
  await page.shoot('nodes-none');
});

await page.close();
for (const client of clients) await client.connection.stop().catch(() => {});
world.gateway.nodes = [];
await world.close();
report.finish();
