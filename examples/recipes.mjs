// Runs the applications of docs/recipes behind a gateway, and talks to each as a browser would. Then the programs that
// docs/serverless.md and docs/rest.md show.
//
//   node examples/recipes.mjs [express|lambda|fastapi|pages ...]     none: all of them
//
// Needs `npm ci` in examples/chat and examples/node, and a Python with examples/fastapi/requirements.txt (PYTHON names it).
import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { deepStrictEqual as same, rejects } from 'node:assert/strict';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { client, connectionString, count, finish, freePort, gateway, hubgate, key, root, start, stopAll, within } from './lab.mjs';

const node = join(root, 'examples/node'), fastapi = join(root, 'examples/fastapi');

// Each application starts at a port, with a connection string.
const applications = {
  express: (port, string) => start(process.execPath, ['express.mjs'],
    { cwd: node, env: { PORT: String(port), HUBGATE_CONNECTION_STRING: string }, pattern: /^ready: (\S+)/ }),
  fastapi: (port, string) => start(process.env.PYTHON ?? 'python3', ['-B', '-m', 'uvicorn', 'main:app', '--port', String(port)],
    { cwd: fastapi, env: { HUBGATE_CONNECTION_STRING: string }, pattern: /Uvicorn running on (\S+)/ }),
  lambda: async (port, string) => {
    process.env.HUBGATE_CONNECTION_STRING = string;
    const { handler } = await import('./node/lambda.mjs');
    const server = createServer((request, response) => serve(handler, request, response));
    await new Promise(resolve => server.listen(port, 'localhost', resolve));
    return () => server.close();
  },
};

// serve calls a function as a cloud's HTTP endpoint does: payload version 2.0, with the body in base64 now and then.
let calls = 0;
async function serve(handler, request, response) {
  const { pathname, searchParams, search } = new URL(request.url, 'http://localhost');
  const bytes = Buffer.concat(await request.toArray()), isBase64Encoded = ++calls % 2 === 0;
  const answer = await handler({
    version: '2.0', rawPath: pathname, rawQueryString: search.slice(1), queryStringParameters: Object.fromEntries(searchParams),
    headers: request.headers, requestContext: { http: { method: request.method, path: pathname } },
    body: bytes.length > 0 ? bytes.toString(isBase64Encoded ? 'base64' : 'utf8') : undefined, isBase64Encoded,
  }).catch(error => (console.error(error), { statusCode: 500 }));
  response.writeHead(answer.statusCode, answer.headers).end(answer.body);
}

const enter = (app, user) => client(`${app}/chat?user=${encodeURIComponent(user)}`, ['message', 'joined', 'left', 'note']);

const forged = JSON.stringify({ type: 1, target: 'say', arguments: ['lobby', 'forged'] });
// hook calls a webhook for connection abc, as the gateway would if it had these keys.
const hook = (app, { keys = [], at = Date.now() / 1000 | 0, body = forged } = {}) => fetch(`${app}/hook/messages/say?x=%2F`, {
  method: 'POST', body: forged,
  headers: {
    'content-type': 'application/json', 'x-asrs-connection-id': 'abc',
    ...keys.length && {
      'x-asrs-signature': keys.map(by => 'sha256=' + createHmac('sha256', by).update('abc').digest('hex').toUpperCase()).join(),
      'x-hubgate-signature': [`t=${at}`, 'id=abc.1', ...keys.map(by => 'v1=' +
        createHmac('sha256', by).update(`v1\n${at}\nabc.1\nPOST\n/hook/messages/say?x=%2F\n${body}`).digest('hex'))].join(),
    },
  },
});
const another = 'another-key-another-key-another-key-another';

const cases = {
  'nobody without a name gets a token': async ({ app }) => {
    same((await fetch(app + '/chat/negotiate?negotiateVersion=1', { method: 'POST' })).status, 401);
  },
  'a webhook puts the connection into a group': async ({ app, url }) => {
    const [ann, bob] = [await enter(app, 'ann'), await enter(app, 'Zoë')];
    same(await ann.invoke('join', 'red/blue'), 'red/blue');
    same(await bob.invoke('join', 'red/blue'), 'red/blue');
    await ann.got('joined', 'Zoë', 'red/blue');
    await bob.invoke('say', 'red/blue', 'hello');
    await Promise.all([ann, bob].map(one => one.got('message', 'Zoë', 'hello')));
    hubgate(url, 'send', 'group', 'chat', 'lobby', 'note', 'to the lobby');
    await ann.got('note', 'to the lobby');
    await bob.stop();
    await ann.got('left', 'Zoë');
    await ann.stop();
  },
  'an unknown method is an error': async ({ app }) => {
    const ann = await enter(app, 'ann');
    await rejects(ann.invoke('nothing'), /status code 404/);
    await ann.stop();
  },
  'a webhook without a good signature gets 401': async ({ app }) => {
    same((await hook(app)).status, 401);
    same((await hook(app, { keys: [another] })).status, 401);
    same((await hook(app, { keys: [another, key] })).status, 204);
  },
  'a webhook of another body or another time gets 401': async ({ app, name }) => {
    if (name === 'lambda') return; // its path does not come as it was sent, so it checks the connection only
    same((await hook(app, { keys: [key], body: '{}' })).status, 401);
    same((await hook(app, { keys: [key], at: (Date.now() / 1000 | 0) - 3600 })).status, 401);
  },
};

async function check(name) {
  const port = await freePort(), app = `http://localhost:${port}`;
  const url = await gateway('--upstream', app + '/hook/{category}/{event}');
  const stop = await applications[name](port, connectionString(url));
  for (const [title, run] of Object.entries(cases)) await count(`${name}: ${title}`, () => run({ app, url, name }));
  if (typeof stop === 'function') stop();
}

// code is the first block of code in this language on a page that contains the text, with the gateway's key and with
// these replaced.
function code(page, language, containing, replaced) {
  const blocks = [...readFileSync(join(root, page), 'utf8').matchAll(new RegExp('^```' + language + '\n([^]*?)^```', 'gm'))];
  let text = blocks.map(([, block]) => block).find(block => block.includes(containing));
  for (const [from, to] of [...replaced, ['ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH', key]]) {
    if (!text.includes(from)) throw new Error(`${page} has no ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

const languages = {
  js: text => [process.execPath, ['--input-type=module', '--eval', text]],
  python: text => ['python3', ['-B', '-c', text]],
};

// pages negotiates with the programs of docs/serverless.md, and sends with those of docs/rest.md.
async function pages() {
  const url = await gateway();
  for (const [language, run] of Object.entries(languages)) {
    await count(`pages: negotiate and send in ${language}`, async () => {
      const port = await freePort();
      const [command, args] = run(code('docs/serverless.md', language, '7071', [['http://localhost:8888', url], ['7071', String(port)]]));
      start(command, args, { pattern: /^never$/ }).catch(() => {});
      const app = `http://localhost:${port}`;
      await within('the program', listening(app));
      const ann = await client(app + '/chat', ['message']);
      const [sender, rest] = run(code('docs/rest.md', language, 'send(', [['http://localhost:8888', url]]));
      execFileSync(sender, rest, { stdio: 'inherit' });
      await ann.got('message', 'hello ann');
      await ann.stop();
    });
  }
}

// listening waits until something accepts connections there.
async function listening(url) {
  for (;;) {
    try {
      return await fetch(url, { method: 'POST' });
    } catch {
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  }
}

const names = process.argv.length > 2 ? process.argv.slice(2) : [...Object.keys(applications), 'pages'];
for (const name of names) {
  await count(`${name}: runs`, () => name === 'pages' ? pages() : check(name));
  await stopAll();
}
await finish();
