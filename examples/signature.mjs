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

// express.raw() leaves {} where a request has no body.
await count('a request without a body', () => {
  const hub = new Hub('chat', 'Endpoint=http://localhost;AccessKey=key'), sent = Math.floor(Date.now() / 1000);
  const v1 = createHmac('sha256', 'key').update(`v1\n${sent}\nevent\nPOST\n/hook\n`).digest('hex');
  const check = (signature, body) => hub.check({ method: 'POST', url: '/hook', headers: { 'x-hubgate-signature': signature }, body });
  for (const body of [{}, undefined, '', Buffer.of()]) same(check(`t=${sent},id=event,v1=${v1}`, body), { event: 'event', sent });
  same(check(`t=${sent},id=other,v1=${v1}`, {}), { refused: 'mismatch' });
});
finish();
