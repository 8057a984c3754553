// A chat server behind hubgate in plain Node.js: it signs tokens for clients,
// handles their messages as webhooks and sends through the REST API.
//
//   npm install && node server.mjs
//   hubgate --upstream 'http://localhost:7071/hook/{category}/{event}'
import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

const hub = 'chat';
const port = Number(process.env.PORT ?? 7071), host = process.env.HOST ?? 'localhost'; // HOST=0.0.0.0 in a container
const { endpoint, clientEndpoint, key } = parse(process.env.HUBGATE_CONNECTION_STRING ??
  'Endpoint=http://localhost;Port=8888;AccessKey=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH;Version=1.0;');

function parse(connectionString) {
  const parts = Object.fromEntries(connectionString.split(';').filter(Boolean).map(p => {
    const at = p.indexOf('=');
    return [p.slice(0, at).toLowerCase(), p.slice(at + 1)];
  }));
  const endpoint = parts.endpoint.replace(/\/$/, '') + (parts.port ? ':' + parts.port : '');
  // In a container the gateway has one name for this server and another one for browsers.
  return { endpoint, clientEndpoint: parts.clientendpoint?.replace(/\/$/, '') ?? endpoint, key: parts.accesskey };
}

// sign makes a JSON Web Token: for clients the audience is their URL, for REST the request's.
function sign(claims) {
  const part = o => Buffer.from(JSON.stringify(o)).toString('base64url');
  const body = part({ alg: 'HS256', typ: 'JWT' }) + '.' + part({ exp: Math.floor(Date.now() / 1000) + 3600, ...claims });
  return body + '.' + createHmac('sha256', key).update(body).digest('base64url');
}

// verify checks that a webhook comes from the gateway: it alone can sign the
// connection id with the access key. With two keys there are two signatures.
function verify(request) {
  const want = Buffer.from('sha256=' + createHmac('sha256', key).update(request.headers['x-asrs-connection-id'] ?? '').digest('hex'));
  return (request.headers['x-asrs-signature'] ?? '').toLowerCase().split(',').some(have =>
    have.length === want.length && timingSafeEqual(Buffer.from(have), want));
}

// userOf returns who the client is. Node.js reads headers as Latin-1, the gateway writes UTF-8.
function userOf(request) {
  return Buffer.from(request.headers['x-asrs-user-id'] ?? 'somebody', 'latin1').toString();
}

// broadcast sends to every client of the hub.
async function broadcast(target, ...args) {
  const url = `${endpoint}/api/hubs/${hub}/:send?api-version=2022-06-01`;
  const answer = await fetch(url, {
    method: 'POST',
    headers: { authorization: 'Bearer ' + sign({ aud: url }), 'content-type': 'application/json' },
    body: JSON.stringify({ target, arguments: args }),
  });
  if (answer.status !== 202) console.error('send:', answer.status, await answer.text());
}

// events handles what the gateway reports; the name is category/event.
const events = new Map([
  ['connections/connected', user => broadcast('note', `${user} has joined`)],
  ['connections/disconnected', user => broadcast('note', `${user} has left`)],
  ['messages/say', (user, text) => broadcast('message', user, String(text).slice(0, 1000))],
  ['messages/whoami', user => user],
]);

async function hook(request, response, name) {
  if (!verify(request)) return response.writeHead(401).end();
  const handler = events.get(name);
  if (!handler) return response.writeHead(404).end();
  const { arguments: args = [], invocationId } = JSON.parse(await body(request));
  const result = await handler(userOf(request), ...args);
  if (!invocationId) return response.writeHead(200).end();
  // The answer to an invoke is a completion, ended by the record separator.
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ type: 3, invocationId, result }) + '\x1e');
}

async function body(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

async function serve(request, response) {
  const url = new URL(request.url, 'http://localhost');
  if (request.method === 'POST' && url.pathname === '/chat/negotiate') {
    // An example believes everybody; an application puts the user here who is signed in.
    const client = `${clientEndpoint}/client/?hub=${hub}`;
    const accessToken = sign({ aud: client, 'asrs.s.uid': url.searchParams.get('user') ?? 'somebody' });
    response.writeHead(200, { 'content-type': 'application/json' });
    return response.end(JSON.stringify({ url: client, accessToken }));
  }
  if (request.method === 'POST' && url.pathname.startsWith('/hook/')) {
    return hook(request, response, decodeURIComponent(url.pathname.slice('/hook/'.length)));
  }
  const files = {
    '/': ['public/index.html', 'text/html; charset=utf-8'],
    '/signalr.min.js': ['node_modules/@microsoft/signalr/dist/browser/signalr.min.js', 'text/javascript'],
  };
  const file = files[url.pathname];
  if (!file) return response.writeHead(404).end();
  response.writeHead(200, { 'content-type': file[1] });
  response.end(await readFile(new URL(file[0], import.meta.url)));
}

createServer((request, response) => serve(request, response).catch(error => {
  console.error(error);
  if (!response.headersSent) response.writeHead(500);
  response.end();
})).listen(port, host, () => console.log(`chat: http://localhost:${port}/?user=ann`));
