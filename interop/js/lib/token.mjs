// Tokens as an application signs them: HS256 over header and claims, the access key's text as key (R2, R5).
import { createHmac } from 'node:crypto';

const base64url = (value) => Buffer.from(value).toString('base64url');
const now = () => Math.floor(Date.now() / 1000);

export function sign(claims, key) {
  const text = `${base64url('{"alg":"HS256","typ":"JWT"}')}.${base64url(JSON.stringify(claims))}`;
  return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
}

/** A token for `{endpoint}/client/?hub={hub}`; `claims` may override any of its members. */
export function clientToken(key, endpoint, hub, claims = {}) {
  return sign({ aud: `${endpoint}/client/?hub=${hub}`, iat: now(), exp: now() + 3600, ...claims }, key);
}

/** A token for one REST request: its audience is the URL without the query. */
export function restToken(key, url) {
  return sign({ aud: url.split('?')[0], iat: now(), exp: now() + 3600 }, key);
}

/** The value of X-ASRS-Signature for a connection (R58). */
export function upstreamSignature(keys, connectionId) {
  return keys.map((key) => `sha256=${createHmac('sha256', key).update(connectionId).digest('hex')}`).join(',');
}
