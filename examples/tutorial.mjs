// Does docs/tutorial.md: writes the files of each step as the page shows them, runs the server behind a gateway, and does
// with a browser what the step says.
//
//   node examples/tutorial.mjs
//
// Needs chromium (CHROMIUM names another one), and `npm ci` in examples/chat.
import { deepStrictEqual as same, match } from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { launch } from './browser.mjs';
import { chat, count, finish, freePort, gateway, hubgate, key, start, stopAll, work } from './lab.mjs';
import { steps, words, writeFiles } from './steps.mjs';

const folder = join(work, 'my-chat');
mkdirSync(folder);
symlinkSync(join(chat, 'node_modules'), join(folder, 'node_modules'));

const page = steps('tutorial.md');
same([...page.keys()], [1, 2, 3, 4, 5]);

// step runs a gateway and the server as they are after this step, and opens the page for ann and bob.
async function step(number, run) {
  writeFiles(page.get(number), folder);
  const port = await freePort(), app = `http://localhost:${port}`;
  const url = await gateway('--upstream', app + '/hook/{category}/{event}');
  const env = { PORT: String(port), GATEWAY: url, HUBGATE_ACCESS_KEY: key };
  await start(process.execPath, ['server.mjs'], { cwd: folder, env, pattern: /^open (\S+)/ });
  const [ann, bob] = await Promise.all(['ann', 'bob'].map(user => browser.open(`${app}/?user=${user}`)));
  await Promise.all([ann.shows('connected as ann'), bob.shows('connected as bob')]);
  await run({ ann, bob, url, app });
  await Promise.all([ann.close(), bob.close()]);
  await stopAll();
}

// type writes into a form of the page and sends it.
const type = (page, form, text) => page.run(`(() => {
  const form = document.querySelector('#${form}');
  form.querySelector('input').value = ${JSON.stringify(text)};
  form.requestSubmit();
})()`);

const browser = await launch();
await count('step 2: a command reaches the page', () => step(2, async ({ ann, url }) => {
  const [, command] = /^hubgate (send .*)$/m.exec(page.get(2).text);
  match(hubgate(url, ...words(command)), /^accepted for 2 connections/);
  await ann.shows('hubgate: hello ann');
}));
await count('step 3: what one says the other hears', () => step(3, async ({ ann, bob, app }) => {
  await type(ann, 'say', 'hello');
  await Promise.all([ann, bob].map(page => page.shows('ann: hello')));
  same((await fetch(app + '/hook/messages/say', { method: 'POST', body: '{}' })).status, 401);
}));
await count('step 4: rooms', () => step(4, async ({ ann, bob }) => {
  await type(ann, 'enter', 'garden');
  await type(ann, 'say', 'in the garden');
  await ann.shows('ann: in the garden');
  await type(bob, 'say', 'in the lobby');
  await bob.shows('bob: in the lobby');
  same(/lobby/.test(await ann.run('document.querySelector("#log").innerText')), false);
  await type(bob, 'enter', 'garden');
  await type(bob, 'say', 'here I am');
  await ann.shows('bob: here I am');
}));
await count('step 5: who is there', () => step(5, async ({ ann, bob, app }) => {
  await Promise.all([ann, bob].map(page => page.shows('In lobby: ann, bob')));
  await type(ann, 'enter', 'garden');
  await Promise.all([ann.shows('In garden: ann'), bob.shows('In lobby: bob')]);
  const carol = await browser.open(`${app}/?user=carol`);
  await bob.shows('In lobby: bob, carol');
  await carol.close();
  await bob.shows('In lobby: bob');
  await type(ann, 'say', 'alone');
  await ann.shows('ann: alone');
}));
await browser.close();
await finish();
