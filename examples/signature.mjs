// Runs the table of signatures (webhook/signature/testdata) against what the examples in Node.js and Python have for them, since
// these are single files that are copied, and against Python's library. The libraries' own tests do so too.
//
//   node examples/signature.mjs          PYTHON names a Python with examples/fastapi/requirements.txt
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { deepStrictEqual as same } from 'node:assert/strict';
import { join } from 'node:path';
import { createHmac } from 'node:crypto';
import { Hub, verify } from './node/hubgate.mjs';
import { count, finish, root } from './lab.mjs';

const table = join(root, 'webhook/signature/testdata/vectors.json'), vectors = JSON.parse(readFileSync(table));

const inPython = of => `
import base64, json, sys
from ${of} import Refused, verify
event = lambda e: e if isinstance(e, str) else e.id
out = []
for v in json.load(open(sys.argv[1])):
    try:
        out.append({"expect": "ok", "id": event(verify(v["header"], v["keys"], v["method"], v["target"], base64.b64decode(v["bodyBase64"]), v["toleranceSeconds"], v["now"]))})
    except Refused as e:
        out.append({"expect": str(e)})
print(json.dumps(out))
`;

const inNode = check => vectors.map(v => {
  const { refused, event } = check(v.header, {
    keys: v.keys, method: v.method, path: v.target, body: Buffer.from(v.bodyBase64, 'base64'), tolerance: v.toleranceSeconds, now: v.now,
  });
  return refused ? { expect: refused } : { expect: 'ok', id: event };
});
const python = (of, at) => JSON.parse(execFileSync(process.env.PYTHON ?? 'python3', ['-B', '-c', inPython(of), table], { cwd: join(root, at) }));

const languages = {
  'Node.js, in the examples': () => inNode(verify),
  Python: () => python('hubgate.signature', 'clients/python/src'),
  'Python, in the examples': () => python('hubgate', 'examples/fastapi'),
};

for (const [name, run] of Object.entries(languages)) {
  await count(`signatures in ${name}`, async () => {
    const got = run();
    vectors.forEach((v, i) => same({ name: v.name, ...got[i] }, { name: v.name, expect: v.expect, ...v.id && { id: v.id } }));
    same(got.length, vectors.length);
  });
}

// The event that is signed begins with the connection: the header, which is not signed, has to say the same one.
const sent = Math.floor(Date.now() / 1000), connectionString = 'Endpoint=http://localhost;AccessKey=key';
const signed = (event, body) => `t=${sent},id=${event},v1=` +
  createHmac('sha256', 'key').update(`v1\n${sent}\n${event}\nPOST\n/hook\n${body}`).digest('hex');

await count('a request without a body', () => { // express.raw() leaves {} there
  const hub = new Hub('chat', connectionString);
  const check = (signature, body) =>
    hub.check({ method: 'POST', url: '/hook', headers: { 'x-asrs-connection-id': 'abc', 'x-hubgate-signature': signature }, body });
  for (const body of [{}, undefined, '', Buffer.of()]) same(check(signed('abc.1', ''), body), { event: 'abc.1', sent });
  same(check(signed('abc.1', 'more'), {}), { refused: 'mismatch' });
});

const others = [['abc', 'abc.1', 'abc.1'], ['ab', 'abc.1', 'mismatch'], ['abc', 'abc', 'mismatch'], ['', 'abc.1', 'mismatch'], [undefined, 'abc.1', 'mismatch']];
await count('the connection of an event in Node.js', () => {
  const hub = new Hub('chat', connectionString);
  for (const [connection, event, want] of others) {
    const checked = hub.check({ method: 'POST', url: '/hook', headers: { ...connection !== undefined && { 'x-asrs-connection-id': connection }, 'x-hubgate-signature': signed(event, 'x') }, body: 'x' });
    same(checked.refused ?? checked.event, want, `${connection}: ${event}`);
  }
});
await count('the connection of an event in Python', () => {
  const cases = others.map(([connection, event, want]) => [connection ?? null, signed(event, 'x'), want]);
  execFileSync(process.env.PYTHON ?? 'python3', ['-B', '-c', `
import json, sys
from hubgate import Hub, Refused
hub = Hub("chat", "${connectionString}")
for connection, signature, want in json.loads(sys.argv[1]):
    headers = {"x-hubgate-signature": signature} | ({} if connection is None else {"x-asrs-connection-id": connection})
    try:
        got = hub.check(headers, "POST", "/hook", b"x")
    except Refused as e:
        got = str(e)
    assert got == want, (connection, got)
`, JSON.stringify(cases)], { cwd: join(root, 'examples/fastapi') });
});
finish();
