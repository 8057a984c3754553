// Does docs/tutorial-dashboard.md: writes the files of each step as the page shows them, runs the function and the server
// behind a gateway, and looks at the pages with a browser.
//
//   node examples/dashboard.mjs
//
// Needs chromium (CHROMIUM names another one), python3 (PYTHON), and `npm ci` in examples/chat.
import { deepStrictEqual as same, ok } from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { launch } from './browser.mjs';
import { chat, count, finish, freePort, gateway, key, start, stopAll, until, work } from './lab.mjs';
import { steps, words, writeFiles } from './steps.mjs';

const python = process.env.PYTHON || 'python3';
const folder = join(work, 'dashboard');
mkdirSync(folder);
symlinkSync(join(chat, 'node_modules'), join(folder, 'node_modules'));

const page = steps('tutorial-dashboard.md');
same([...page.keys()], [1, 2, 3, 4, 5, 6]);
const browser = await launch();

// after runs a gateway, the function and the server as they are after a step.
async function after(number, run) {
  const port = await freePort(), app = `http://localhost:${port}`;
  const url = await gateway();
  const env = { PORT: String(port), GATEWAY: url, HUBGATE_ACCESS_KEY: key, PYTHONDONTWRITEBYTECODE: '1' };
  try {
    await start(python, ['run.py'], { cwd: folder, env, pattern: /^sent (\d+)/ });
    if (number > 2) await start(python, ['server.py'], { cwd: folder, env, pattern: /^open (\S+)/ });
    await run({ app, env });
  } finally {
    await stopAll();
  }
}

const points = one => one.run(`document.querySelector('#line')?.getAttribute('points')?.split(' ').length ?? 0`);

writeFiles(page.get(2), folder);
await count('step 2: the function sends', () => after(2, async () => {}));
writeFiles(page.get(3), folder);
await count('step 3: two pages show it', () => after(3, async ({ app }) => {
  const [ann, bob] = await Promise.all(['ann', 'bob'].map(user => browser.open(`${app}/?user=${user}`)));
  await Promise.all([ann.shows('live, for ann'), bob.shows('live, for bob')]);
  for (const one of [ann, bob]) await until('two points', () => points(one), count => count >= 2);
  await Promise.all([ann.close(), bob.close()]);
}));
writeFiles(page.get(4), folder);
await count('step 4: a page that comes late has the line', () => after(4, async ({ app }) => {
  const first = await browser.open(`${app}/?user=ann`);
  await until('four points', () => points(first), count => count >= 4);
  const late = await browser.open(`${app}/?user=late`);
  await late.shows('live, for late');
  await until('the line', () => points(late));
  ok(await points(late) >= 4);
  const line = await late.run('JSON.stringify(points.map(([time]) => time))');
  same(new Set(JSON.parse(line)).size, JSON.parse(line).length, 'no point twice');
  await Promise.all([first.close(), late.close()]);
}));
writeFiles(page.get(5), folder);
await count('step 5: an alarm for ann', () => after(5, async ({ app, env }) => {
  const [ann, bob] = await Promise.all(['ann', 'bob'].map(user => browser.open(`${app}/?user=${user}`)));
  await Promise.all([ann.shows('live, for ann'), bob.shows('live, for bob')]);
  const [{ code }] = page.get(5).blocks.filter(({ file }) => file === 'run');
  const [program, ...args] = words(code);
  same(program, 'python3');
  execFileSync(python, args, { cwd: folder, env: { ...process.env, ...env } });
  await ann.shows('The shop is full.');
  same(await bob.run(`document.querySelector('#alarm').textContent`), '');
  await Promise.all([ann.close(), bob.close()]);
}));
writeFiles(page.get(6), folder);
await count('step 6: as a cloud calls it', () => after(6, async ({ env }) => {
  const call = 'from handler import handler; print(handler({"time": 1, "visitors": 7}, None))';
  ok(Number(execFileSync(python, ['-c', call], { cwd: folder, encoding: 'utf8', env: { ...process.env, ...env } })) >= 2);
}));
await browser.close();
await finish();
