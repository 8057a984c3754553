// Runs Debian's Prometheus with the configuration and the alerts of deploy/prometheus against a gateway with clients: it
// scrapes, every alert is evaluated, and the one for a gateway that is down is on its way when that has ended.
//
//   node deploy/scraped.mjs
//
// Needs prometheus, and `npm ci` in examples/chat.
import { deepStrictEqual as same, match } from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import { client, count, finish, freePort, gateway, hubgate, key, root, stopAll, until, work } from '../examples/lab.mjs';

const rules = join(work, 'prometheus');
cpSync(join(root, 'deploy/prometheus'), rules, { recursive: true });

const sign = claims => {
  const part = value => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = part({ alg: 'HS256', typ: 'JWT' }) + '.' + part({ exp: Math.floor(Date.now() / 1000) + 60, ...claims });
  return body + '.' + createHmac('sha256', key).update(body).digest('base64url');
};

const adminPort = await freePort(), port = await freePort();
const url = await gateway('--admin-listen', `127.0.0.1:${adminPort}`, '--limits-rules', 'user messages 100/s report');
const config = join(rules, 'prometheus.yml');
const text = readFileSync(config, 'utf8');
for (const part of ['scrape_interval: 15s', '127.0.0.1:8889']) match(text, new RegExp(part));
writeFileSync(config, text.replace('scrape_interval: 15s', 'scrape_interval: 1s\n  evaluation_interval: 1s').replace('127.0.0.1:8889', `127.0.0.1:${adminPort}`));
// Not one of the lab's: it outlives the gateway.
const prometheus = spawn('prometheus', [`--config.file=${config}`, `--storage.tsdb.path=${join(work, 'tsdb')}`, `--web.listen-address=127.0.0.1:${port}`],
  { cwd: work, stdio: 'ignore' });
const ended = new Promise(resolve => prometheus.once('close', resolve));
const api = async path => {
  const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`);
  if (!response.ok) throw Object.assign(new Error(await response.text()), { passing: response.status === 503 }); // while it starts
  return (await response.json()).data;
};
const value = async expression => Number((await api('query?query=' + encodeURIComponent(expression))).result[0]?.value[1]);
const alerts = async () => (await api('rules')).groups.flatMap(group => group.rules);

await count('prometheus: scrapes the gateway', async () => {
  const targets = await until('the target', () => api('targets'), ({ activeTargets: [target] }) => target?.health === 'up');
  same(targets.activeTargets.length, 1);
  same(targets.activeTargets[0].lastError, '');
});
await count('prometheus: sees clients and sends', async () => {
  const hub = `${url}/client/?hub=chat`;
  const application = createServer((request, response) => response.setHeader('Content-Type', 'application/json')
    .end(JSON.stringify({ url: hub, accessToken: sign({ aud: hub, 'asrs.s.uid': 'ann' }) })));
  await new Promise(resolve => application.listen(0, '127.0.0.1', resolve));
  const ann = await client(`http://127.0.0.1:${application.address().port}`, ['newMessage']);
  match(hubgate(url, 'send', 'user', 'chat', 'ann', 'newMessage', 'hello'), /^accepted for 1 connection/);
  await ann.got('newMessage', 'hello');
  await until('a connection', () => value('sum(hubgate_connections{hub="chat"})'), n => n === 1);
  await until('a send', () => value('sum(hubgate_rest_requests_total{operation="SendToUser"})'), n => n === 1);
  await ann.stop();
  await until('no connection', () => value('sum(hubgate_connections{hub="chat"})'), n => n === 0);
  application.close();
});
await count('prometheus: evaluates every alert, and none is on its way', async () => {
  const all = await until('the rules', alerts, list => list.length > 0 && list.every(rule => rule.health === 'ok' && rule.lastEvaluation > '2'));
  same(all.length, (readFileSync(join(rules, 'alerts.yml'), 'utf8').match(/- alert:/g)).length);
  same(all.filter(rule => rule.state !== 'inactive').map(rule => rule.name), []);
});
await count('prometheus: sees that the gateway is down', async () => {
  await stopAll();
  await until('the alert', alerts, list => ['pending', 'firing'].includes(list.find(rule => rule.name === 'HubgateDown').state));
});
prometheus.kill();
await ended;
await finish();
