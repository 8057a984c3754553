// The portal on the admin address in headless Chromium, while official clients are connected.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Report } from '../lib/report.mjs';
import { World } from '../lib/world.mjs';
import { until } from '../lib/wait.mjs';
import { Portal } from './portalpage.mjs';

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
await world.rest.joinGroup('chat', 'room', ann.connection.connectionId);
let page = await Portal.open(admin);
const pages = ['overview', 'explore', 'trace', 'deliveries', 'try', 'settings', 'keys', 'faults'];

const api = (method, path, body) => fetch(admin + path, { method, headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }, body: body && JSON.stringify(body) });

await report.run('a browser is led to it, and it asks for the admin token', async () => {
  await page.until('the login', () => location.pathname === '/portal/' && document.querySelector('input[type=password]'));
  await page.shoot('login');
  await page.onAPhone(async () => {
    if ((await page.run(() => document.documentElement.scrollWidth)) > 360) throw new Error('the login does not fit on a phone');
  });
  await page.login('a wrong token');
  await page.shows('wrong');
  await page.shoot('login-wrong');
  await page.login(token);
  await page.shows('Overview', 'Clients');
  const cookie = await page.run(() => document.cookie);
  if (cookie !== '') throw new Error('scripts see the session');
});

await report.run('the overview shows clients, rates and closes', async () => {
  await ann.connection.invoke('Echo', 1);
  await page.until('three clients', () => document.querySelector('.strip .station strong')?.textContent === '3');
  await page.until('charts', () => document.querySelectorAll('.chart path.line').length >= 6);
  await page.shows('Connections', 'Messages', 'Traffic', 'Closes', 'CPU', 'Memory', 'Hub servers', 'Upstreams', 'serverless');
  await page.shoot('overview');
});

await report.run('connections, users and groups are listed', async () => {
  await page.go('explore', '?hub=chat');
  await page.shows('ann', 'bob', 'LongPolling');
  await page.shoot('explore');
  await page.click('', 'Users');
  await page.shows('ann', 'Close all');
  await page.shoot('users');
  await page.click('', 'Connections');
  await page.shows('LongPolling');
  await page.click('', 'Users');
  await page.shows('Close all');
  await page.click('', 'ann');
  await page.until('only the connection of ann', () => [...document.querySelectorAll('tbody th')].map((th) => th.textContent).join() === 'ann');
  await page.click('', 'Groups');
  await page.shows('room');
  await page.shoot('groups');
  await page.go('explore', '?hub=nobody');
  await page.shows('Nobody is there.');
  await page.shoot('explore-empty');
  await page.go('explore', '?hub=chat');
  await page.shows('LongPolling');
});

await report.run('it sends to a user', async () => {
  const inbox = bob.inbox('fromThePortal');
  await page.type('Send a message', 'To', 'user');
  await page.type('Send a message', 'Which user', 'bob');
  await page.type('Send a message', 'Method', 'fromThePortal');
  await page.type('Send a message', 'Arguments', 'plain words\n{"a":[1]}');
  await page.click('Send a message', 'Send');
  const got = JSON.stringify(await inbox.next());
  if (got !== '["plain words",{"a":[1]}]') throw new Error(got);
  await page.shows('Accepted for 1 connection.');
});

await report.run('it closes a connection', async () => {
  await page.until('the row of bob', () => {
    const row = [...document.querySelectorAll('tbody tr')].find((r) => r.querySelector('th').textContent === 'bob');
    const button = [...(row?.querySelectorAll('button') ?? [])].find((b) => b.textContent === 'Close');
    button?.focus();
    button?.click();
    return Boolean(button);
  });
  await page.shoot('question');
  await page.confirm();
  await page.until('bob is gone', () => ![...document.querySelectorAll('tbody th')].some((th) => th.textContent === 'bob'));
  await page.until('the focus is not lost with the row', () => document.activeElement?.id === 'main');
});

await report.run('the live trace shows what happens, with filters', async () => {
  await page.go('trace');
  await page.shoot('trace-empty');
  await page.until('it is live', () => document.querySelector('[data-state=live]'));
  await world.rest.toUser('chat', 'ann', 'news', ['<b>one</b>']);
  await page.shows('news', '("<b>one</b>")', '1 connection');
  await ann.connection.invoke('Echo', 'hello webhook');
  await page.until('the webhook', () => {
    const row = [...document.querySelectorAll('.event')].find((r) => r.dataset.kind === 'webhook' && r.textContent.includes('Echo'));
    if (row) row.querySelector('details').open = true;
    return Boolean(row);
  });
  await page.shows('hello webhook');
  await page.shoot('trace');
  await page.type('', 'User', 'nobody');
  await page.until('only what is asked for', () => document.querySelectorAll('.event').length === 0 && document.querySelector('[data-state=live]'));
  await page.click('', 'No filter');
  await page.click('Recorded', 'Search');
  await page.until('what was recorded', () => [...document.querySelectorAll('.card')].at(-1).querySelectorAll('.event').length > 3);
  await page.shoot('recorded');
  await page.type('Recorded', 'Until', '2026-01-31T12:00:00');
  await page.click('Recorded', 'Search');
  await page.shows('Nothing that matches was recorded.');
  await page.type('Recorded', 'Until', '');
  await page.type('Recorded', 'From', '2026-01-31T12:00:00');
  await page.type('Recorded', 'Group', 'room');
  await page.click('Recorded', 'Search');
  await page.until('only what is of the group', () => {
    const rows = [...[...document.querySelectorAll('.card')].at(-1).querySelectorAll('.event')];
    return rows.length > 0 && rows.every((row) => row.textContent.includes('room'));
  });
});

await report.run('calls of webhooks are shown with request and response', async () => {
  await page.go('deliveries');
  await page.shows('Dead letters', '--upstream-outbox');
  await until('a call is seen', async () => {
    await ann.connection.invoke('Echo', 'for the deliveries');
    return page.run(() => document.querySelectorAll('.event[data-kind=webhook]').length > 0);
  });
  await page.run(() => { document.querySelector('.event[data-kind=webhook] details').open = true; });
  await page.shows('for the deliveries', 'request', 'answer');
  await page.shoot('deliveries');
});

await report.run('its own client connects, calls, and hears what is sent', async () => {
  await page.go('try');
  await page.click('2. It calls the application', 'Call');
  await page.shows('Connect the client first.');
  await page.shoot('try-closed');
  await page.click('', 'Connect');
  await page.until('it is open', () => document.querySelector('[data-state=open]'));
  await page.type('2. It calls the application', 'Arguments', 'to the echo');
  await page.click('2. It calls the application', 'Call');
  await page.until('the answer', () => [...document.querySelectorAll('[data-from=from]')].some((row) => row.textContent.includes('to the echo')));
  await page.type('3. The application sends', 'Method', 'toTheTester');
  await page.click('3. The application sends', 'Send');
  await page.until('the message', () => [...document.querySelectorAll('[data-from=from]')].some((row) => row.textContent.includes('toTheTester')));
  await page.until('what the webhook received', () => document.querySelectorAll('.event[data-kind=webhook]').length >= 1);
  await page.shoot('try');
  await page.click('', 'Disconnect');
});

await report.run('a setting is changed, kept in the history, and rolled back', async () => {
  await page.go('settings');
  await page.type('Origins (CORS)', 'Allowed origins', 'https://app.example');
  await page.click('Origins (CORS)', 'Change');
  await page.shows('Revision 2');
  await until('the change is in force', async () => {
    const answer = await fetch(`${world.gateway.endpoint}/client/negotiate?hub=chat`, { method: 'OPTIONS', headers: { Origin: 'https://other.example', 'Access-Control-Request-Method': 'POST' } });
    return answer.headers.get('Access-Control-Allow-Origin') === null;
  });
  await page.until('the history', () => document.querySelectorAll('.history .event').length === 2);
  await page.shows('In force.');
  await page.shoot('settings');
  await page.run(() => { for (const d of document.querySelectorAll('.history details')) d.open = true; });
  await page.shoot('history');
  await page.click('History', 'Go back to this');
  await page.confirm();
  await page.shows('Revision 3');
});

await report.run('network rules are shown and changed as they are in force', async () => {
  const negotiated = async () => (await fetch(`${world.gateway.endpoint}/client/negotiate?hub=chat`, { method: 'POST' })).status;
  await api('PATCH', '/api/settings', { properties: { networkACLs: { defaultAction: 'allow', publicNetwork: { deny: ['ClientConnection'] } } } });
  await page.go('overview');
  await page.go('settings');
  const ticked = () => page.run(() => [...document.querySelectorAll('input[type=checkbox]:checked')].map((box) => box.name).join());
  await page.until('the rules', () => document.querySelector('input[name=ClientConnection]'));
  if ((await ticked()) !== 'ServerConnection,RESTAPI,Trace') throw new Error(await ticked());
  await page.type('Network rules', 'Addresses', 'Deny 10.0.0.0/8');
  await page.click('Network rules', 'Change');
  await page.shows('Revision 5', 'In force.');
  if ((await negotiated()) !== 403) throw new Error('a change of addresses let clients in that were refused');
  await api('PATCH', '/api/settings', { properties: { networkACLs: null, publicNetworkAccess: null } });
});

await report.run('what is taken out of everything that is set is unset', async () => {
  await api('PATCH', '/api/settings', { properties: { serverless: { keepAliveIntervalInSeconds: 10, connectionTimeoutInSeconds: 40 }, features: [{ flag: 'EnableLiveTrace', value: 'True' }, { flag: 'EnableMessagingLogs', value: 'False' }] } });
  await page.go('overview');
  await page.go('settings');
  await page.shows('Revision 7');
  await page.type('Everything that is set', 'Properties, as JSON', '[]');
  await page.click('Everything that is set', 'Change');
  await page.shows('The properties are an object');
  const wanted = { serverless: { connectionTimeoutInSeconds: 40 }, features: [{ flag: 'EnableMessagingLogs', value: 'False' }] };
  await page.type('Everything that is set', 'Properties, as JSON', JSON.stringify(wanted));
  await page.click('Everything that is set', 'Change');
  await page.shows('Revision 8');
  const { set } = await (await api('GET', '/api/settings')).json();
  if (JSON.stringify(set.properties.serverless) !== JSON.stringify(wanted.serverless) || set.properties.features.length !== 1) throw new Error(JSON.stringify(set));
  await api('POST', '/api/settings/rollback', { revision: 1 });
  await page.go('overview');
  await page.go('settings');
  await page.shows('Revision 9');
});

await report.run('a bad setting is refused with the field and the reason', async () => {
  await page.type('Timers and sign-in', 'Keep-alive, seconds', '119');
  await page.type('Everything that is set', 'Properties, as JSON', '{"serverless": {"keepAliveIntervalInSeconds": 9999}}');
  await page.click('Everything that is set', 'Change');
  await page.shows('keepAliveIntervalInSeconds');
  await page.shoot('refused');
  const { revision } = await (await api('GET', '/api/settings')).json();
  if (revision !== 9) throw new Error(`revision ${revision}`);
});

await report.run('keys are shown only when asked for, and rotated', async () => {
  await page.go('keys');
  await page.shows('Primary key', world.gateway.key.slice(-4));
  if ((await page.text()).includes(world.gateway.key)) throw new Error('the key is shown');
  await page.shoot('keys');
  await page.click('', 'Show keys and connection strings');
  await page.shows(world.gateway.key, 'AccessKey=');
  await page.shoot('keys-shown');
  await page.run(() => [...document.querySelectorAll('button')].find((b) => b.textContent === 'Replace').focus());
  await page.run(() => document.activeElement.click());
  await page.until('the question has the focus', () => document.activeElement?.closest('dialog[open]'));
  await page.click('', 'Cancel');
  await page.until('the focus is back', () => !document.querySelector('dialog') && document.activeElement?.textContent === 'Replace');
  await page.click('Secondary key', 'Replace');
  await page.confirm();
  await page.until('another key', (old) => !document.body.innerText.includes(old), world.gateway.secondaryKey);
  const fresh = (await (await api('POST', '/api/keys/show', {})).json()).secondaryKey;
  if (fresh === world.gateway.secondaryKey) throw new Error('the key is the old one');
  await page.shows(fresh);
  await page.click('', 'Hide');
  await page.until('no key', (key) => !document.body.innerText.includes(key), fresh);
});

await report.run('a fault is injected and ended', async () => {
  await page.go('faults');
  await page.shows('No fault is injected.');
  await page.shoot('faults-none');
  await page.type('Inject a fault', 'Hub', 'news');
  await page.click('Inject a fault', 'Inject');
  await page.shows('not marked');
  await page.type('Inject a fault', 'Hub', 'chat');
  await page.click('Inject a fault', 'Inject');
  await page.until('the fault', () => document.querySelector('tbody th')?.textContent === 'chat');
  await page.shoot('faults');
  await page.click('In force', 'End');
  await page.shows('No fault is injected.');
});

await report.run('everything that can be used has a name, on every page', async () => {
  for (const name of pages) {
    await page.go(name);
    const { nodes } = await page.call('Accessibility.getFullAXTree');
    const roles = ['button', 'textbox', 'searchbox', 'checkbox', 'combobox', 'link', 'image', 'meter', 'spinbutton'];
    const used = nodes.filter((node) => !node.ignored && roles.includes(node.role?.value));
    const nameless = used.filter((node) => !node.name?.value);
    if (used.length < 9) throw new Error(`${name}: only ${used.length} are there`);
    if (nameless.length > 0) throw new Error(`${name}: ${nameless.map((node) => node.role.value).join(' ')}`);
  }
});

await report.run('the keyboard reaches the pages', async () => {
  await page.go('overview');
  await page.run(() => document.querySelector('nav a').focus());
  await page.call('Input.dispatchKeyEvent', { type: 'keyDown', key: 'Tab', code: 'Tab', windowsVirtualKeyCode: 9 });
  await page.call('Input.dispatchKeyEvent', { type: 'keyDown', key: 'Enter', code: 'Enter', windowsVirtualKeyCode: 13, text: '\r' });
  await page.until('the second page', () => location.hash === '#/explore' && document.activeElement.id === 'main');
});

await report.run('every page fits on a phone', async () => {
  await page.onAPhone(async () => {
    for (const name of pages) {
      await page.go(name);
      await page.until('it is drawn', () => document.querySelector('main .card, main .strip'));
      const width = await page.run(() => document.documentElement.scrollWidth);
      if (width > 360) throw new Error(`${name} is ${width} wide`);
    }
  });
});

await report.run('it asks nobody else for anything, and breaks no policy', async () => {
  const own = [`${admin}/`, `ws://127.0.0.1:${world.gateway.port}/`, 'data:']; // data: is what the browser draws fields of dates with
  const others = page.page.requests.filter((url) => !own.some((o) => url.startsWith(o)));
  if (others.length > 0) throw new Error(others.join(' '));
  const problems = page.page.problems.filter((p) => !/status of (401|403|404|400)/.test(p)); // what was meant to be refused
  if (problems.length > 0) throw new Error(problems.join('; '));
});

await report.run('a gateway that hangs is told', async () => {
  await page.go('overview');
  world.gateway.child.kill('SIGSTOP');
  try {
    await page.shows('The gateway does not answer.');
  } finally {
    world.gateway.child.kill('SIGCONT');
  }
  await page.until('it is told no more', () => !document.body.innerText.includes('The gateway does not answer.'));
});

await report.run('who logs out sees nothing', async () => {
  await page.click('', 'Log out');
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
  page = await Portal.open(`http://127.0.0.1:${kept.gateway.adminPort}`);
  await page.login(token);
  await page.shows('Overview');
  await eve.connection.send('Doomed', 'order 7');
  await until('it is called', () => calls.length === 1);
  await page.go('deliveries');
  await until('the letter', async () => {
    await page.click('Dead letters', 'Refresh');
    return page.run(() => document.querySelector('.event.tone-bad')?.textContent.includes('Doomed'));
  });
  await page.run(() => { document.querySelector('.event.tone-bad details').open = true; });
  await page.shows('order 7', 'no such order', 'eve');
  await page.shoot('deadletter');
  refuses = false;
  await page.click('Dead letters', 'Send again');
  await until('it is called again', () => calls.length === 2);
  if (!JSON.stringify(calls[1].message.arguments).includes('order 7')) throw new Error(JSON.stringify(calls[1].message));
  await until('the letter is gone', async () => {
    await page.click('Dead letters', 'Refresh');
    return page.run(() => document.body.innerText.includes('There are none.'));
  });
  await eve.connection.stop();
  await kept.close();
});

await ann.connection.stop();
await page.close();
await world.close();
report.finish();
