// Draws panels of the dashboard from what Prometheus answers to their queries, while a gateway has clients:
//
//   node deploy/grafana/picture.mjs [SECONDS]      writes docs/dashboard.svg; 180 seconds of data unless told otherwise
//
// It is no screenshot of Grafana, which has more to look at. It shows that the queries give what their panels say.
// Needs prometheus, and `npm ci` in examples/chat. HUBGATE_BIN is the gateway to use; without it one is built from this tree.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectionString, freePort, gateway, hubgate, pause, program, root, signalR, stopAll, work } from '../../examples/lab.mjs';

const seconds = Number(process.argv[2] ?? 180);
const wanted = [
  'Clients by hub', 'Opened and ended', 'Messages from clients', 'Deliveries by hub', 'Bytes', 'Clients by transport',
  'Webhooks by result', 'Duration of webhooks', 'Requests by operation', 'Duration of requests', 'CPU cores in use', 'Memory',
];

const adminPort = await freePort(), port = await freePort();
const url = await gateway('--admin-listen', `127.0.0.1:${adminPort}`, '--upstream', 'echo');
mkdirSync(join(work, 'picture'));
const config = join(work, 'picture', 'prometheus.yml');
writeFileSync(config, `global: {scrape_interval: 1s}
scrape_configs: [{job_name: hubgate, static_configs: [{targets: ["127.0.0.1:${adminPort}"]}]}]
`);
const prometheus = spawn('prometheus', [`--config.file=${config}`, `--storage.tsdb.path=${join(work, 'picture', 'tsdb')}`, `--web.listen-address=127.0.0.1:${port}`],
  { cwd: work, stdio: 'ignore' });

// The load: broadcasts to many, and clients of another hub that come, call and go.
const begun = Date.now(), running = () => Date.now() - begun < seconds * 1000;
const env = { ...process.env, HUBGATE_CONNECTION_STRING: connectionString(url) };
const bench = spawn(program(), ['bench', '--hub', 'news', '--clients', '200', '--rate', '4', '--duration', `${Math.round(seconds * 0.7)}s`, '--quiet'], { env, stdio: 'ignore' });

async function visit(number) {
  const token = hubgate(url, 'token', 'client', 'chat', '--user', `user${number}`).trim();
  const transport = number % 3 ? signalR.HttpTransportType.WebSockets : signalR.HttpTransportType.ServerSentEvents;
  const connection = new signalR.HubConnectionBuilder().withUrl(`${url}/client/?hub=chat`, { accessTokenFactory: () => token, transport })
    .configureLogging(signalR.LogLevel.None).build();
  connection.on('news', () => {});
  await connection.start();
  const until = Date.now() + 20_000 + 60_000 * Math.random();
  while (running() && Date.now() < until) {
    await connection.invoke('say', 'hello');
    await pause(200 + 400 * Math.random());
  }
  await connection.stop();
}

const visits = [];
for (let number = 0; running(); number++) {
  visits.push(visit(number).catch(error => console.error(error.message)));
  if (number % 4 === 0) hubgate(url, 'send', 'all', 'chat', 'news', 'hello');
  await pause(2000);
}
const end = Date.now() / 1000;
const dashboard = JSON.parse(readFileSync(join(root, 'deploy/grafana/hubgate.json'), 'utf8'));
const panels = [];
for (const title of wanted) {
  const panel = dashboard.panels.find(one => one.title === title);
  if (!panel) throw new Error(`the dashboard has no panel ${title}`);
  panels.push({ title, unit: panel.fieldConfig.defaults.unit, series: (await Promise.all(panel.targets.map(series))).flat() });
}
writeFileSync(join(root, 'docs/dashboard.svg'), picture(panels));
prometheus.kill();
bench.kill();
await Promise.all(visits);
await stopAll();
process.exit();

// series asks for a query of the dashboard as Grafana does, for everything.
async function series({ expr, legendFormat }) {
  const query = expr.replaceAll('$__rate_interval', '10s').replace(/\$(job|instance|hub)/g, '.*');
  const params = new URLSearchParams({ query, start: String(end - seconds + 5), end: String(end), step: String(Math.max(1, Math.round(seconds / 90))) });
  const { data } = await (await fetch(`http://127.0.0.1:${port}/api/v1/query_range?${params}`)).json();
  return data.result.map(({ metric, values }) => ({
    name: legendFormat.replace(/\{\{(\w+)\}\}/g, (_, label) => label === 'instance' ? 'gateway' : metric[label]),
    points: values.map(([time, value]) => [time, Number(value)]).filter(([, value]) => Number.isFinite(value)),
  })).filter(({ points }) => points.length > 1);
}

function number(value, unit) {
  const short = (v, units) => {
    let i = 0;
    for (; v >= 1000 && i < units.length - 1; i++) v /= 1000;
    return `${Number(v.toPrecision(3))}${units[i]}`;
  };
  if (unit === 's') return value < 1 ? `${Number((value * 1000).toPrecision(3))} ms` : `${Number(value.toPrecision(3))} s`;
  if (unit === 'bytes') return short(value, [' B', ' kB', ' MB', ' GB']);
  if (unit === 'Bps') return short(value, [' B/s', ' kB/s', ' MB/s']);
  return short(value, ['', ' k', ' M']) + ({ cps: '/s', reqps: '/s', mps: '/s' }[unit] ?? '');
}

function picture(all) {
  const width = 400, height = 210, across = 3, gap = 12;
  const escape = text => text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
  const cells = all.map((panel, place) => {
    const x = (place % across) * (width + gap), y = Math.floor(place / across) * (height + gap);
    const left = 62, right = width - 12, top = 36, bottom = height - 42;
    const values = panel.series.flatMap(({ points }) => points.map(([, value]) => value));
    const most = Math.max(...values, 1e-9) * 1.08;
    const at = ([time, value]) => `${(left + (time - (end - seconds)) / seconds * (right - left)).toFixed(1)} ${(bottom - value / most * (bottom - top)).toFixed(1)}`;
    const lines = panel.series.slice(0, 6).map(({ points }, i) => `<polyline class="s${i}" points="${points.map(at).join(' ')}"/>`);
    const grid = [0, 0.5, 1].map(part => {
      const level = bottom - part / 1.08 * (bottom - top);
      return `<path class="grid" d="M${left} ${level.toFixed(1)}H${right}"/><text class="weak" x="${left - 6}" y="${(level + 4).toFixed(1)}" text-anchor="end">${part * most ? number(part * most / 1.08, panel.unit) : 0}</text>`;
    });
    let along = left;
    const legend = panel.series.slice(0, 6).map(({ name }, i) => {
      const item = `<path class="s${i}" d="M${along} ${height - 18}h14"/><text class="weak" x="${along + 18}" y="${height - 14}">${escape(name)}</text>`;
      along += 32 + name.length * 6.4;
      return along < width + 20 ? item : '';
    });
    return `<g transform="translate(${x} ${y})"><rect class="panel" width="${width}" height="${height}" rx="4"/><text class="title" x="12" y="22">${escape(panel.title)}</text>${grid.join('')}${lines.join('')}${legend.join('')}</g>`;
  });
  const rows = Math.ceil(all.length / across);
  const w = across * width + (across - 1) * gap, h = rows * height + (rows - 1) * gap;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}" role="img" aria-label="Panels of the dashboard: ${all.map(({ title }) => title).join(', ')}">
<style>
text{font:11px system-ui,sans-serif;fill:#1f2933}.title{font-size:13px;font-weight:600}.weak{fill:#52606d}
.panel{fill:#fff;stroke:#d9e2ec}.grid{stroke:#d9e2ec;fill:none}
[class^=s]{fill:none;stroke-width:1.6}.s0{stroke:#3d7eff}.s1{stroke:#e8833a}.s2{stroke:#2f9e6e}.s3{stroke:#a05ad5}.s4{stroke:#c9a227}.s5{stroke:#d6456a}
@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.weak{fill:#9aa5b1}.panel{fill:#1b1f24;stroke:#323f4b}.grid{stroke:#323f4b}}
</style>
${cells.join('\n')}
</svg>
`;
}
