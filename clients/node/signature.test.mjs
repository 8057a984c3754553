// node --test clients/node
import { deepStrictEqual as same, ok } from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { verify } from './signature.mjs';

// The table that the helpers of all languages are tested with.
const table = new URL('../../webhook/signature/testdata/vectors.json', import.meta.url);
const vectors = JSON.parse(readFileSync(table));

test('the table is there', () => ok(vectors.length > 30));

for (const v of vectors) {
  test(v.name, () => {
    const { refused, event } = verify(v.header, {
      keys: v.keys, method: v.method, path: v.target, body: Buffer.from(v.bodyBase64, 'base64'), tolerance: v.toleranceSeconds, now: v.now,
    });
    same(refused ?? 'ok', v.expect);
    same(event, v.id || undefined);
  });
}

test('now, text and no body', () => {
  const sent = Math.floor(Date.now() / 1000);
  const signed = body => `t=${sent},id=e,v1=` + createHmac('sha256', 'key').update(`v1\n${sent}\ne\nPOST\n/hook\n${body}`).digest('hex');
  const request = { keys: ['', 'key'], method: 'POST', path: '/hook' };
  same(verify(signed('ü'), { ...request, body: 'ü' }), { event: 'e', sent });
  same(verify(signed(''), request), { event: 'e', sent });
  same(verify(signed(''), { ...request, keys: [''] }), { refused: 'mismatch' });
});
