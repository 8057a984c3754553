import { deepStrictEqual as same, rejects, throws } from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { decode } from '@msgpack/msgpack';
import * as hubgate from 'hubgate';

const { ErrorForClient, Hub, StatusError, fetchHandler, nodeHandler, parseConnectionString, verify } = hubgate;
const read = name => JSON.parse(readFileSync(new URL(name, import.meta.url)));
const vectors = read('../../vectors/vectors.json'), key = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH';

function claims(token, by) {
  const [head, body, sum] = token.split('.');
  same(sum, createHmac('sha256', by).update(`${head}.${body}`).digest('base64url'));
  return JSON.parse(Buffer.from(body, 'base64url'));
}

test('connection strings', () => {
  for (const { text, error, ...want } of vectors.connectionStrings) {
    if (error) throws(() => parseConnectionString(text), text); else same(parseConnectionString(text), want);
  }
  throws(() => new Hub('', 'Endpoint=http://h;AccessKey=k'));
});

test('negotiate', () => {
  for (const v of vectors.negotiate) {
    const hub = new Hub(v.hub, v.connectionString, { now: () => v.now * 1000 });
    const { url, accessToken } = hub.negotiate({ user: v.user, claims: v.extra, lifetime: v.lifetime });
    same(url, v.url);
    same(claims(accessToken, hub.keys[0]), v.claims, v.name);
  }
});

// stub answers a hub's requests.
function stub(answer) {
  const seen = [];
  const hub = new Hub('Chat', `Endpoint=http://elsewhere.test;ServerEndpoint=http://gateway.test;AccessKey=${key}`, {
    fetch: async (url, { method, headers, body }) => {
      const at = new URL(url), target = url.slice(at.origin.length);
      same(at.origin, 'http://gateway.test');
      same(claims(headers.authorization.slice(7), key).aud, at.origin + target.split('?')[0]);
      seen.push({ method, target, ...body && { body: JSON.parse(body) } });
      const { status, code, body: text } = answer(seen.length - 1);
      return new Response(text === undefined ? null : JSON.stringify(text), { status, headers: code ? { 'x-ms-error-code': code } : {} });
    },
  });
  return { hub, seen };
}

test('requests', async t => {
  for (const v of vectors.requests) {
    await t.test(v.call, async () => {
      const { hub, seen } = stub(() => ({ status: v.status, code: v.code, body: v.answer }));
      const args = v.args.at(-1) instanceof Array ? [...v.args.slice(0, -1), ...v.args.at(-1)] : v.args;
      if (v.refused) {
        await rejects(hub[v.call](...args), error => !(error instanceof StatusError));
        return same(seen, []);
      }
      if (v.error) await rejects(hub[v.call](...args), error => error instanceof StatusError && error.status === v.error);
      else same(await hub[v.call](...args), v.result);
      same(seen, [{ method: v.method, target: v.target, ...v.body && { body: v.body } }]);
    });
  }
});

test('pages of a group', async () => {
  const { list } = vectors;
  const { hub, seen } = stub(i => ({ status: 200, body: list.pages[i].answer }));
  const got = [];
  for await (const { connectionId, userId } of hub.listGroup(list.group)) got.push([connectionId, userId]);
  same(got, list.result);
  same(seen.map(one => one.target), list.pages.map(one => one.target));
});

const bytes = v => v.bodyBase64 ? Buffer.from(v.bodyBase64, 'base64') : Buffer.from(v.body);

// Both kinds of handlers, over HTTP and without. They return the status and the body, and take bytes or text for it.
const ways = {
  node: async (v, options, handle) => {
    const server = createServer(nodeHandler(options, handle)).listen(0, 'localhost');
    try {
      await new Promise(resolve => server.once('listening', resolve));
      const answer = await fetch(`http://localhost:${server.address().port}/hook`, { method: 'POST', headers: v.headers, body: bytes(v) });
      return [answer.status, Buffer.from(await answer.arrayBuffer())];
    } finally {
      server.close();
      server.closeAllConnections();
    }
  },
  express: async (v, options, handle) => { // as express.raw() leaves the request
    const headers = Object.fromEntries(Object.entries(v.headers).map(([name, value]) => [name.toLowerCase(), value]));
    const written = [];
    const response = { writeHead(status) { written.push(status); return this; }, end(text = '') { written.push(Buffer.from(text)); } };
    await nodeHandler(options, handle)({ method: 'POST', originalUrl: '/hook', url: '/', headers, body: bytes(v) }, response);
    return written;
  },
  fetch: async (v, options, handle) => {
    const answer = await fetchHandler(options, handle)(new Request('http://app.test/hook', { method: 'POST', headers: v.headers, body: bytes(v) }));
    return [answer.status, Buffer.from(await answer.arrayBuffer())];
  },
};

test('webhooks', async t => {
  t.mock.method(console, 'error', () => {});
  for (const [way, run] of Object.entries(ways)) {
    for (const v of [...vectors.webhooks, ...vectors.messagePack]) {
      await t.test(`${way}: ${v.name}`, async () => {
        let seen;
        const [status, body] = await run(v, { keys: ['other', key] }, event => {
          seen = event;
          if (v.fails) throw new ErrorForClient(v.fails);
          return v.returns;
        });
        same(status, v.status, body.toString());
        same(seen, v.seen);
        if (v.answerText) same(body.toString().trim(), v.answerText);
        else if (v.answerMsgpack) same(decode(body), v.answerMsgpack);
        else if (v.seen) same(body.length ? JSON.parse(body) : undefined, v.answer);
      });
    }
    await t.test(`${way}: a failure stays here`, async () => {
      const [status, body] = await run(vectors.webhooks[0], { keys: [key] }, () => { throw new Error('secret'); });
      same([status, body.toString()], [500, 'the application failed']);
    });
    await t.test(`${way}: the whole request`, async () => {
      const body = '{"type":10}', t0 = Math.floor(Date.now() / 1000);
      const sum = createHmac('sha256', key).update(`v1\n${t0}\nabc.1\nPOST\n/hook\n${body}`).digest('hex');
      let seen;
      const of = (id, by = key) => ({ 'X-ASRS-Connection-Id': id, 'X-ASRS-Signature': 'sha256=' + createHmac('sha256', by).update(id).digest('hex') });
      const whole = { 'X-Hubgate-Signature': `t=${t0},id=abc.1,v1=${sum}`, 'X-ASRS-User-Id': 'a%2541%09%C2%85 100% %zz+', 'Content-Type': 'application/json' };
      const v = { headers: { ...whole, ...of('abc') }, body };
      same((await run(v, { keys: [key], wholeRequest: true }, event => { seen = event; }))[0], 200);
      same([seen.id, seen.userId], ['abc.1', 'a%41\t\u0085 100% %zz+']);
      // It is the event of this connection, and of no other one.
      for (const connection of [{}, { 'X-ASRS-Connection-Id': 'abc' }, of('abc', 'x'), of('abd'), of('ab')]) {
        same((await run({ headers: { ...whole, ...connection }, body }, { keys: [key] }, () => {}))[0], 401, JSON.stringify(connection));
      }
      same((await run({ ...vectors.webhooks[0] }, { keys: [key], wholeRequest: true }, () => {}))[0], 401);
    });
  }
});

// listening has a server with the handler for as long as use runs.
async function listening(handler, use) {
  const server = createServer(handler).listen(0, 'localhost');
  try {
    await new Promise(resolve => server.once('listening', resolve));
    await use(server.address().port);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

test('a caller that hangs up inside the body ends nothing', async t => {
  const logged = t.mock.method(console, 'error', () => {});
  const hook = nodeHandler({ keys: [key] }, () => {});
  let settled, socket;
  const over = new Promise((resolve, reject) => { settled = { resolve, reject }; });
  await listening((request, response) => {
    request.once('data', () => socket.destroy());
    hook(request, response).then(settled.resolve, settled.reject);
  }, async port => {
    socket = connect(port, 'localhost', () => socket.write('POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc'));
    await over;
  });
  same(logged.mock.callCount(), 0);
});

test('a body that is too large is refused, and the caller hears it', async () => {
  await listening(nodeHandler({ keys: [key], maxBody: 10 }, () => {}), async port => {
    const text = await new Promise((resolve, reject) => {
      let got = '';
      const socket = connect(port, 'localhost', () => socket.write('POST /hook HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n' + 'x'.repeat(20)));
      socket.on('data', part => { got += part; }).on('end', () => { resolve(got); socket.destroy(); }).on('error', reject);
    });
    same(text.split('\r\n')[0], 'HTTP/1.1 413 Payload Too Large');
    same(text.includes('the body is too large'), true);
  });
});

test('fetchHandler reads no more than it may', async () => {
  let pulled = 0, cancelled = false;
  const body = new ReadableStream({
    pull(controller) { pulled++; controller.enqueue(new Uint8Array(8)); },
    cancel() { cancelled = true; },
  }, { highWaterMark: 0 });
  const request = new Request('http://app.test/hook', { method: 'POST', body, duplex: 'half' });
  same((await fetchHandler({ keys: [key], maxBody: 20 }, () => {})(request)).status, 413);
  same([pulled, cancelled], [3, true]);
  same((await fetchHandler({ keys: [key] }, () => {})(new Request('http://app.test/hook', { method: 'POST' }))).status, 401);
});

test('JSON that is no object is refused', async t => {
  for (const [way, run] of Object.entries(ways)) {
    for (const body of ['null', '[]', '1', '"x"', '{']) {
      await t.test(`${way}: ${body}`, async () => {
        same((await run({ ...vectors.webhooks[0], body }, { keys: [key] }, () => { throw new Error('it is called'); }))[0], 400);
      });
    }
  }
});

test('the table of signatures', () => {
  for (const v of read('../../../webhook/signature/testdata/vectors.json')) {
    const { refused, event } = verify(v.header, {
      keys: v.keys, method: v.method, path: v.target, body: Buffer.from(v.bodyBase64, 'base64'), tolerance: v.toleranceSeconds, now: v.now,
    });
    same(refused ?? 'ok', v.expect, v.name);
    if (v.id) same(event, v.id);
  }
});

test('a signature of now, of text and of no body', () => {
  const sent = Math.floor(Date.now() / 1000);
  const signed = body => `t=${sent},id=e,v1=` + createHmac('sha256', 'key').update(`v1\n${sent}\ne\nPOST\n/hook\n${body}`).digest('hex');
  const request = { keys: ['', 'key'], method: 'POST', path: '/hook' };
  same(verify(signed('ü'), { ...request, body: 'ü' }), { event: 'e', sent });
  same(verify(signed(''), request), { event: 'e', sent });
  same(verify(signed(''), { ...request, keys: [''] }), { refused: 'mismatch' });
});

test('CommonJS has the same', () => {
  same(Object.keys(createRequire(import.meta.url)('hubgate')).filter(name => name !== '__esModule').sort(), Object.keys(hubgate).sort());
});
