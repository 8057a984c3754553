// The portal on the admin address in headless Chromium, while official clients are connected.
// With PORTAL_SHOTS=FOLDER it also writes a picture of each page: wide, dark and as on a phone.
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Report } from '../lib/report.mjs';
import { World } from '../lib/world.mjs';
import { until } from '../lib/wait.mjs';
import { Page } from './devtools.mjs';

const report = new Report('portal');
const token = 'the admin token of this run';
const tokenFile = join(mkdtempSync(join(process.env.HUBGATE_WORK ?? tmpdir(), 'token-')), 'token');
writeFileSync(tokenFile, token, { mode: 0o600 });
const world = await World.create(() => ['--upstream', 'echo', '--admin-token-file', tokenFile, '--faults-hub', 'chat']);
const admin = `http://127.0.0.1:${world.gateway.adminPort}`;
const combination = { version: '10', protocol: 'json', transport: 'WebSockets' };
const ann = await world.connect(combination, { hub: 'chat', user: 'ann' });
const bob = await world.connect(combination, { hub: 'chat', user: 'bob' });
await world.connect({ ...combination, transport: 'LongPolling' }, { hub: 'chat', user: 'a user with a long name@example.org' });
await world.rest.userToGroup?.('chat', 'ann', 'room');
let page = await Page.open(`${admin}/`);
const pages = ['overview', 'explore', 'trace', 'deliveries', 'try', 'settings', 'keys', 'faults'];

const text = () => page.run(() => document.body.innerText);
const shows = (...words) => page.until(`the page shows ${words.join(', ')}`, (all) => all.every((word) => document.body.innerText.includes(word)), words);
const go = async (name, query = '') => {
  await page.run((hash) => { location.hash = hash; }, `#/${name}${query}`);
  await page.until(`the page ${name}`, (to) => document.querySelector('nav a[aria-current]')?.hash === to, `#/${name}`);
};
/** Clicks the button, of the card with the title, that has the text. */
const click = (title, words) => page.until(`the button ${words}`, (card, label) => {
  const where = card ? [...document.querySelectorAll('.card')].find((c) => c.querySelector('h2')?.textContent === card) : document;
  const button = [...(where?.querySelectorAll('button:not(:disabled)') ?? [])].find((b) => b.textContent.trim() === label || b.getAttribute('aria-label') === label);
  button?.click();
  return Boolean(button);
}, title, words);
const confirm = () => page.until('the question', () => {
  const yes = document.querySelector('dialog[open] button.danger');
  yes?.click();
  return Boolean(yes);
});
/** Types into a field, of the card with the title, that is named so by its label. */
const type = (title, label, value) => page.until(`the field ${label}`, (card, name, to) => {
  const where = [...document.querySelectorAll('.card, .login')].find((c) => !card || c.querySelector('h2')?.textContent === card);
  const field = [...(where?.querySelectorAll('label') ?? [])].find((l) => l.textContent === name);
  const input = field && document.getElementById(field.htmlFor);
  if (!input) return false;
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(input), 'value').set.call(input, to);
  for (const event of ['input', 'change']) input.dispatchEvent(new Event(event, { bubbles: true }));
  return true;
}, title, label, value);
const api = (method, path, body) => fetch(admin + path, { method, headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }, body: body && JSON.stringify(body) });

const shots = process.env.PORTAL_SHOTS;
async function shoot(name) {
  if (!shots) return;
  mkdirSync(shots, { recursive: true });
  for (const [kind, width, height, mobile, scheme] of [['wide', 1280, 860, false, 'light'], ['dark', 1280, 860, false, 'dark'], ['phone', 390, 844, true, 'light']]) {
    await page.call('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile });
    await page.call('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const { data } = await page.call('Page.captureScreenshot', { format: 'png', captureBeyondViewport: mobile });
    writeFileSync(join(shots, `${name}-${kind}.png`), Buffer.from(data, 'base64'));
  }
  await page.call('Emulation.clearDeviceMetricsOverride');
}

await report.run('a browser is led to it, and it asks for the admin token', async () => {
  await page.until('the login', () => location.pathname === '/portal/' && document.querySelector('input[type=password]'));
  await shoot('login');
  await page.call('Emulation.setDeviceMetricsOverride', { width: 360, height: 740, deviceScaleFactor: 2, mobile: true });
  if ((await page.run(() => document.documentElement.scrollWidth)) > 360) throw new Error('the login does not fit on a phone');
  await page.call('Emulation.clearDeviceMetricsOverride');
  await type('', 'Admin token', 'a wrong token');
  await click('', 'Log in');
  await shows('wrong');
  await type('', 'Admin token', token);
  await click('', 'Log in');
  await shows('Overview', 'Clients');
  const cookie = await page.run(() => document.cookie);
  if (cookie !== '') throw new Error('scripts see the session');
});

await report.run('the overview shows clients, rates and closes', async () => {
  await ann.connection.invoke('Echo', 1);
  await page.until('three clients', () => document.querySelector('.strip .station strong')?.textContent === '3');
  await page.until('charts', () => document.querySelectorAll('.chart path.line').length >= 6);
  await shows('Connections', 'Messages', 'Traffic', 'Closes', 'CPU', 'Memory', 'Hub servers', 'Upstreams', 'serverless');
  await shoot('overview');
});

await report.run('connections, users and groups are listed', async () => {
  await go('explore', '?hub=chat');
  await shows('ann', 'bob', 'LongPolling');
  await shoot('explore');
  await click('', 'Users');
  await shows('ann', 'Close all');
  await click('', 'Connections');
  await shows('LongPolling');
  await click('', 'Users');
  await shows('Close all');
  await click('', 'ann');
  await page.until('only the connection of ann', () => [...document.querySelectorAll('tbody th')].map((th) => th.textContent).join() === 'ann');
  await click('', 'Groups');
  await click('', 'Connections');
});

await report.run('it sends to a user', async () => {
  const inbox = bob.inbox('fromThePortal');
  await type('Send a message', 'To', 'user');
  await type('Send a message', 'Which user', 'bob');
  await type('Send a message', 'Method', 'fromThePortal');
  await type('Send a message', 'Arguments', 'plain words\n{"a":[1]}');
  await click('Send a message', 'Send');
  const got = JSON.stringify(await inbox.next());
  if (got !== '["plain words",{"a":[1]}]') throw new Error(got);
  await shows('Accepted for 1 connection.');
});

await report.run('it closes a connection', async () => {
  await page.until('the row of bob', () => {
    const row = [...document.querySelectorAll('tbody tr')].find((r) => r.querySelector('th').textContent === 'bob');
    const button = [...(row?.querySelectorAll('button') ?? [])].find((b) => b.textContent === 'Close');
    button?.click();
    return Boolean(button);
  });
  await confirm();
  await page.until('bob is gone', () => ![...document.querySelectorAll('tbody th')].some((th) => th.textContent === 'bob'));
});

await report.run('the live trace shows what happens, with filters', async () => {
  await go('trace');
  await page.until('it is live', () => document.querySelector('[data-state=live]'));
  await world.rest.toUser('chat', 'ann', 'news', ['<b>one</b>']);
  await shows('news', '("<b>one</b>")', '1 connection');
  await ann.connection.invoke('Echo', 'hello webhook');
  await page.until('the webhook', () => {
    const row = [...document.querySelectorAll('.event')].find((r) => r.dataset.kind === 'webhook' && r.textContent.includes('Echo'));
    if (row) row.querySelector('details').open = true;
    return Boolean(row);
  });
  await shows('hello webhook');
  await shoot('trace');
  await type('', 'User', 'nobody');
  await page.until('only what is asked for', () => document.querySelectorAll('.event').length === 0 && document.querySelector('[data-state=live]'));
  await click('', 'No filter');
  await click('Recorded', 'Search');
  await page.until('what was recorded', () => [...document.querySelectorAll('.card')].at(-1).querySelectorAll('.event').length > 3);
  await shoot('recorded');
});

await report.run('calls of webhooks are shown with request and response', async () => {
  await go('deliveries');
  await shows('Dead letters', '--upstream-outbox');
  await until('a call is seen', async () => {
    await ann.connection.invoke('Echo', 'for the deliveries');
    return page.run(() => document.querySelectorAll('.event[data-kind=webhook]').length > 0);
  });
  await page.run(() => { document.querySelector('.event[data-kind=webhook] details').open = true; });
  await shows('for the deliveries', 'request', 'answer');
  await shoot('deliveries');
});

await report.run('its own client connects, calls, and hears what is sent', async () => {
  await go('try');
  await click('', 'Connect');
  await page.until('it is open', () => document.querySelector('[data-state=open]'));
  await type('2. It calls the application', 'Arguments', 'to the echo');
  await click('2. It calls the application', 'Call');
  await page.until('the answer', () => [...document.querySelectorAll('[data-from=from]')].some((row) => row.textContent.includes('to the echo')));
  await type('3. The application sends', 'Method', 'toTheTester');
  await click('3. The application sends', 'Send');
  await page.until('the message', () => [...document.querySelectorAll('[data-from=from]')].some((row) => row.textContent.includes('toTheTester')));
  await page.until('what the webhook received', () => document.querySelectorAll('.event[data-kind=webhook]').length >= 1);
  await shoot('try');
  await click('', 'Disconnect');
});

await report.run('a setting is changed, kept in the history, and rolled back', async () => {
  await go('settings');
  await type('Origins (CORS)', 'Allowed origins', 'https://app.example');
  await click('Origins (CORS)', 'Change');
  await shows('Revision 2');
  await until('the change is in force', async () => {
    const answer = await fetch(`${world.gateway.endpoint}/client/negotiate?hub=chat`, { method: 'OPTIONS', headers: { Origin: 'https://other.example', 'Access-Control-Request-Method': 'POST' } });
    return answer.headers.get('Access-Control-Allow-Origin') === null;
  });
  await page.until('the history', () => document.querySelectorAll('.history .event').length === 2);
  await shoot('settings');
  await page.run(() => { [...document.querySelectorAll('.history details')].at(-1).open = true; });
  await click('History', 'Go back to this');
  await confirm();
  await shows('Revision 3');
});

await report.run('a bad setting is refused with the field and the reason', async () => {
  await type('Timers and sign-in', 'Keep-alive, seconds', '119');
  await type('Everything that is set', 'Properties, as JSON', '{"serverless": {"keepAliveIntervalInSeconds": 9999}}');
  await click('Everything that is set', 'Change');
  await shows('keepAliveIntervalInSeconds');
  const { revision } = await (await api('GET', '/api/settings')).json();
  if (revision !== 3) throw new Error(`revision ${revision}`);
});

await report.run('keys are shown only when asked for, and rotated', async () => {
  await go('keys');
  await shows('Primary key', world.gateway.key.slice(-4));
  if ((await text()).includes(world.gateway.key)) throw new Error('the key is shown');
  await shoot('keys');
  await click('', 'Show keys and connection strings');
  await shows(world.gateway.key, 'AccessKey=');
  await click('Secondary key', 'Replace');
  await confirm();
  await page.until('another key', (old) => !document.body.innerText.includes(old), world.gateway.secondaryKey);
  const fresh = (await (await api('POST', '/api/keys/show', {})).json()).secondaryKey;
  if (fresh === world.gateway.secondaryKey) throw new Error('the key is the old one');
  await shows(fresh);
  await click('', 'Hide');
  await page.until('no key', (key) => !document.body.innerText.includes(key), fresh);
});

await report.run('a fault is injected and ended', async () => {
  await go('faults');
  await type('Inject a fault', 'Hub', 'news');
  await click('Inject a fault', 'Inject');
  await shows('not marked');
  await type('Inject a fault', 'Hub', 'chat');
  await click('Inject a fault', 'Inject');
  await page.until('the fault', () => document.querySelector('tbody th')?.textContent === 'chat');
  await shoot('faults');
  await click('In force', 'End');
  await shows('No fault is injected.');
});

await report.run('everything that can be used has a name, on every page', async () => {
  for (const name of pages) {
    await go(name);
    const { nodes } = await page.call('Accessibility.getFullAXTree');
    const roles = ['button', 'textbox', 'searchbox', 'checkbox', 'combobox', 'link', 'image', 'meter', 'spinbutton'];
    const used = nodes.filter((node) => !node.ignored && roles.includes(node.role?.value));
    const nameless = used.filter((node) => !node.name?.value);
    if (used.length < 9) throw new Error(`${name}: only ${used.length} are there`);
    if (nameless.length > 0) throw new Error(`${name}: ${nameless.map((node) => node.role.value).join(' ')}`);
  }
});

await report.run('the keyboard reaches the pages', async () => {
  await go('overview');
  await page.run(() => document.querySelector('nav a').focus());
  await page.call('Input.dispatchKeyEvent', { type: 'keyDown', key: 'Tab', code: 'Tab', windowsVirtualKeyCode: 9 });
  await page.call('Input.dispatchKeyEvent', { type: 'keyDown', key: 'Enter', code: 'Enter', windowsVirtualKeyCode: 13, text: '\r' });
  await page.until('the second page', () => location.hash === '#/explore' && document.activeElement.id === 'main');
});

await report.run('every page fits on a phone', async () => {
  await page.call('Emulation.setDeviceMetricsOverride', { width: 360, height: 740, deviceScaleFactor: 2, mobile: true });
  for (const name of pages) {
    await go(name);
    await page.until('it is drawn', () => document.querySelector('main .card, main .strip'));
    const width = await page.run(() => document.documentElement.scrollWidth);
    if (width > 360) throw new Error(`${name} is ${width} wide`);
  }
  await page.call('Emulation.clearDeviceMetricsOverride');
});

await report.run('it asks nobody else for anything, and breaks no policy', async () => {
  const own = [`${admin}/`, `ws://127.0.0.1:${world.gateway.port}/`];
  const others = page.requests.filter((url) => !own.some((o) => url.startsWith(o)));
  if (others.length > 0) throw new Error(others.join(' '));
  const problems = page.problems.filter((p) => !/status of (401|403|404|400)/.test(p)); // what was meant to be refused
  if (problems.length > 0) throw new Error(problems.join('; '));
});

await report.run('who logs out sees nothing', async () => {
  await click('', 'Log out');
  await page.until('the login', () => document.querySelector('input[type=password]'));
  const status = await page.run(async () => (await fetch('/api/settings')).status);
  if (status !== 401) throw new Error(`status ${status}`);
});

await report.run('a dead letter is shown with request and response, and sent again', async () => {
  await page.close();
  const kept = await World.create((webhook) => ['--upstream', webhook.template, '--upstream-outbox', '--data-dir', mkdtempSync(join(process.env.HUBGATE_WORK ?? tmpdir(), 'outbox-')), '--admin-token-file', tokenFile]);
  let refuses = true;
  const calls = [];
  kept.webhook.on('Doomed', (event) => {
    calls.push(event);
    return refuses ? { status: 404, body: 'no such order' } : {};
  });
  const eve = await kept.connect(combination, { hub: 'chat', user: 'eve' });
  page = await Page.open(`http://127.0.0.1:${kept.gateway.adminPort}/portal/`);
  await type('', 'Admin token', token);
  await click('', 'Log in');
  await shows('Overview');
  await eve.connection.send('Doomed', 'order 7');
  await until('it is called', () => calls.length === 1);
  await go('deliveries');
  await until('the letter', async () => {
    await click('Dead letters', 'Refresh');
    return page.run(() => document.querySelector('.event.tone-bad')?.textContent.includes('Doomed'));
  });
  await page.run(() => { document.querySelector('.event.tone-bad details').open = true; });
  await shows('order 7', 'no such order', 'eve');
  await shoot('deadletter');
  refuses = false;
  await click('Dead letters', 'Send again');
  await until('it is called again', () => calls.length === 2);
  if (!JSON.stringify(calls[1].message.arguments).includes('order 7')) throw new Error(JSON.stringify(calls[1].message));
  await until('the letter is gone', async () => {
    await click('Dead letters', 'Refresh');
    return page.run(() => document.body.innerText.includes('There are none.'));
  });
  await eve.connection.stop();
  await kept.close();
});

await ann.connection.stop();
await page.close();
await world.close();
report.finish();
