// Runs the proxies of docs/proxies.md as the page configures them, with other ports and without TLS, in front of a
// gateway, and talks through each.
//
//   node deploy/proxies.mjs [nginx|nginx-tls|caddy|haproxy|envoy ...]     none: all of them
//
// Needs the proxies, and `npm ci` in examples/chat.
import { createHmac } from 'node:crypto';
import { deepStrictEqual as same, match } from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { build, client, count, finish, freePort, gateway, hubgate, key, root, signalR, start, stopAll, WebSocket, within, work } from '../examples/lab.mjs';

const page = readFileSync(join(root, 'docs/proxies.md'), 'utf8');
const shown = language => new RegExp('```' + language + '\n([^]*?)```').exec(page)[1];
// below is the first configuration of a section.
const below = title => new RegExp(`\n## ${title}\n[^]*?\`\`\`yaml\n([^]*?)\`\`\``).exec(page)[1];

// adapt changes what differs here: the gateway's address, and the proxy's own address instead of port 443 with TLS.
function adapt(text, ...changes) {
  for (const [from, to] of changes) {
    if (!text.includes(from)) throw new Error(`the page has no ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

const at = upstream => ['127.0.0.1:8888', upstream];

// certificate makes one for the gateway, which only nginx is told of.
function certificate() {
  const [cert, private_] = ['gateway-ca.pem', 'gateway-key.pem'].map(name => join(work, name));
  makeCertificate('gateway.internal', cert, private_);
  return ['--tls-cert', cert, '--tls-key', private_];
}

function makeCertificate(name, cert, private_) {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1',
    '-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`, '-keyout', private_, '-out', cert], { stdio: 'ignore' });
}

const nginx = (port, upstream, ...changes) => {
  const server = adapt(shown('nginx').replace(/(proxy_pass [^;]*;).*/, '$1'), at(upstream), ['listen 443 ssl', `listen 127.0.0.1:${port}`],
    ['  ssl_certificate     fullchain.pem;\n  ssl_certificate_key privkey.pem;\n', ''], ...changes);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${work}/nginx-${name};`).join('\n');
  return ['nginx', 'nginx.conf', `daemon off;\nmaster_process off;\npid ${work}/nginx.pid;\nerror_log stderr notice;\n` +
    `events {}\nhttp {\naccess_log off;\n${temporary}\n${server}}\n`, file => ['-p', work, '-c', file]];
};

// envoy without its TLS. It takes addresses and ports apart.
const envoy = (port, upstream) => ['envoy', 'envoy.yaml',
  adapt(below('Envoy').replace(/ {8}- transport_socket:[^]*?(?= {10}filters:)/, '        -\n'),
    ['address: 0.0.0.0, port_value: 443', `address: 127.0.0.1, port_value: ${port}`], ['[gateway.example]', '["*"]'],
    ['address: 127.0.0.1, port_value: 8888', `address: ${upstream.split(':')[0]}, port_value: ${upstream.split(':')[1]}`]),
  file => ['--config-path', file, '--log-level', 'warn', '--concurrency', '1', '--use-dynamic-base-id']];

const proxies = {
  nginx,
  'nginx-tls': (port, upstream) => nginx(port, upstream,
    [`proxy_pass http://${upstream};`, adapt(shown('nginx-tls'), at(upstream), ['gateway-ca.pem', join(work, 'gateway-ca.pem')])]),
  caddy: (port, upstream) => ['caddy', 'Caddyfile', '{\n\tadmin off\n\tauto_https off\n}\n' +
    adapt(shown('caddy'), at(upstream), ['gateway.example', `http://localhost:${port}`]), file => ['run', '--config', file, '--adapter', 'caddyfile']],
  haproxy: (port, upstream) => ['haproxy', 'haproxy.cfg',
    adapt(shown('haproxy'), at(upstream), ['bind :443 ssl crt /etc/haproxy/gateway.pem', `bind 127.0.0.1:${port}`]), file => ['-db', '-f', file]],
  envoy,
};

// listening waits until something accepts connections there.
async function listening(url) {
  for (;;) {
    try {
      return await fetch(url);
    } catch {
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  }
}

const token = claims => {
  const part = value => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = part({ alg: 'HS256', typ: 'JWT' }) + '.' + part({ exp: Math.floor(Date.now() / 1000) + 60, ...claims });
  return body + '.' + createHmac('sha256', key).update(body).digest('base64url');
};

// application is a negotiate endpoint that sends clients to the proxy.
function application(url) {
  const hub = `${url}/client/?hub=chat`;
  const server = createServer((request, response) => response.setHeader('Content-Type', 'application/json')
    .end(JSON.stringify({ url: hub, accessToken: token({ aud: hub, 'asrs.s.uid': 'ann' }) })));
  return new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve({ server, url: `http://127.0.0.1:${server.address().port}` })));
}

// aspNetApplication is one of ASP.NET SignalR, whose servers and clients both go through the proxy.
function aspNetApplication(url) {
  aspNetBinary ??= build('aspnethub', './interop/aspnethub');
  return start(aspNetBinary, ['--app', aspNet, '--connections', '1'],
    { env: { Azure__SignalR__ConnectionString: `Endpoint=${url};AccessKey=${key};Version=1.0;` }, pattern: /^READY (\S+)/ });
}

const aspNet = 'shop';
let aspNetBinary;

// AspNetClient makes the requests of the JavaScript client.
class AspNetClient {
  static async negotiate(app, transport) {
    const hubs = encodeURIComponent('[{"name":"chathub"}]');
    const query = `clientProtocol=2.1&connectionData=${hubs}`;
    const redirect = await (await fetch(`${app}/signalr/negotiate?${query}`)).json();
    const client = Object.assign(new AspNetClient(), { base: redirect.RedirectUrl.split('?')[0], token: redirect.AccessToken, query });
    const answer = await (await client.request('negotiate', 'GET')).json();
    client.query = `transport=${transport}&${query}&connectionToken=${encodeURIComponent(answer.ConnectionToken)}`;
    return client;
  }

  url(command) { return `${this.base}/${command}?${this.query}`; }

  request(command, method, body) {
    const form = body && { 'Content-Type': 'application/x-www-form-urlencoded; charset=UTF-8' };
    return fetch(this.url(command), { method, body, headers: { Authorization: `Bearer ${this.token}`, ...form } });
  }

  call(text) { return this.request('send', 'POST', 'data=' + encodeURIComponent(callOf(text))); }

  withToken(command) { return `${this.url(command)}&access_token=${this.token}`; }
}

const callOf = text => JSON.stringify({ H: 'chathub', M: 'Echo', A: [text], I: 0 });
const result = text => `"R":"${text}"`; // as it stands in the answer

// pieces waits until what comes has all of the texts, in their order.
async function pieces(stream, ...texts) {
  let seen = '';
  for await (const piece of stream) {
    seen += Buffer.from(piece).toString();
    let from = 0;
    if (texts.every(text => (from = seen.indexOf(text, from)) >= 0)) return;
  }
  throw new Error(`ended after ${seen}`);
}

const aspNetTransports = {
  async webSockets(client) {
    const socket = new WebSocket(client.withToken('connect').replace('http', 'ws'));
    const got = new Promise((resolve, reject) => {
      socket.onmessage = ({ data }) => {
        if (data.includes('"S":1')) socket.send(callOf('by socket'));
        if (data.includes(result('by socket'))) resolve();
      };
      socket.onerror = reject;
    });
    await got;
    socket.close();
  },
  async serverSentEvents(client) {
    const gone = new AbortController();
    const answer = await fetch(client.withToken('connect'), { signal: gone.signal });
    const got = pieces(answer.body, 'data: initialized', '"S":1', result('by events'), 'data: {}');
    same((await client.call('by events')).status, 200);
    await got; // the keep-alive too: what is quiet is not held back
    gone.abort();
  },
  async longPolling(client) {
    match(await (await client.request('connect', 'POST')).text(), /"S":1/);
    same((await client.call('by poll')).status, 200);
    const first = await client.request('poll', 'POST', 'messageId=0');
    same(JSON.parse(await first.text()), { I: '0', R: 'by poll' });
    const quiet = await client.request('poll', 'POST', 'messageId=0');
    await pieces(quiet.body, ' ');
    same((await client.request('abort', 'POST')).status, 200);
  },
};

// What Envoy itself says of the page's configuration, with its TLS.
async function envoyAsItStands() {
  const [cert, private_] = ['fullchain.pem', 'privkey.pem'].map(name => join(work, name));
  makeCertificate('gateway.example', cert, private_);
  writeFileSync(join(work, 'page.yaml'), below('Envoy'));
  match(execFileSync('envoy', ['--mode', 'validate', '--config-path', 'page.yaml', '--log-level', 'error'], { cwd: work, encoding: 'utf8' }), /OK/);
}

async function checkAspNet(name, url) {
  const app = await aspNetApplication(url);
  for (const [transport, talk] of Object.entries(aspNetTransports)) {
    await count(`${name}: ASP.NET SignalR, ${transport}`, async () =>
      within(transport, talk(await AspNetClient.negotiate(app, transport))));
  }
}

async function check(name, upstream) {
  const port = await freePort(), url = `http://localhost:${port}`;
  const [command, file, text, args] = proxies[name](port, upstream.replace(/https?:\/\//, ''));
  const path = join(work, file);
  writeFileSync(path, text);
  mkdirSync(join(work, 'home'), { recursive: true });
  start(command, args(path), { cwd: work, env: { HOME: join(work, 'home'), XDG_DATA_HOME: work, XDG_CONFIG_HOME: work }, pattern: /^never$/ }).catch(() => {});
  same((await within(name, listening(url + '/api/health'))).status, 200);
  const app = await application(url);
  const { WebSockets, ServerSentEvents, LongPolling } = signalR.HttpTransportType;
  for (const [transport, type] of Object.entries({ WebSockets, ServerSentEvents, LongPolling })) {
    await count(`${name}: ${transport}`, async () => {
      const ann = await client(app.url, ['newMessage'], type);
      match(hubgate(url, 'send', 'user', 'chat', 'ann', 'newMessage', transport), /^accepted for 1 connection/);
      await ann.got('newMessage', transport);
      await ann.stop();
    });
  }
  await count(`${name}: a path with an escaped slash`, async () => {
    const path = '/api/hubs/chat/users/ann/groups/a%2Fb';
    const headers = { authorization: 'Bearer ' + token({ aud: url + path }) };
    same((await fetch(url + path, { method: 'PUT', headers })).status, 200);
    same((await fetch(url + path, { headers })).status, 200);
  });
  await count(`${name}: the path of hub servers`, async () => {
    const answer = await within('an upgrade', new Promise((resolve, reject) => {
      const socket = new WebSocket(`${url.replace('http', 'ws')}/server/?hub=chat`,
        { headers: { authorization: 'Bearer ' + token({ aud: `${url}/server/?hub=chat`, nameid: 's' }) } });
      socket.onopen = () => { socket.close(); resolve('open'); };
      socket.onerror = reject;
    }));
    same(answer, 'open');
  });
  await checkAspNet(name, url);
  app.server.close();
}

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(proxies);
for (const name of names) {
  const upstream = await gateway('--hub-mode', `${aspNet}=default`, '--aspnet-keep-alive', '1s', ...name === 'nginx-tls' ? certificate() : []);
  if (name === 'envoy') await count('envoy: the configuration as it stands', envoyAsItStands);
  await count(`${name}: runs`, () => check(name, upstream));
  await stopAll();
}
await finish();
