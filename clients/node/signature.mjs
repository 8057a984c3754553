// Checks X-Hubgate-Signature: that a webhook comes from your gateway, is as it was sent, and is not an old one sent again.
// Node.js 20 or newer, no packages.
import { createHmac, timingSafeEqual } from 'node:crypto';

/** The name of the header, in lower case, as Node.js has it. */
export const header = 'x-hubgate-signature';

/** How far the clock of the gateway and one's own may be apart, in seconds. */
export const defaultTolerance = 300;

// A gateway has two keys at most, and its headers are short.
const maxHeader = 2048, maxSignatures = 8;

/**
 * Checks the value of the header against the request. The path is that of the request with its query, as it came; if a proxy
 * changes it, give that of the URL that the gateway has. Empty keys are left out.
 *
 * The event is the same in each attempt to deliver it: remember those that you have done.
 *
 * @param {string | undefined} value
 * @param {{keys: string[], method: string, path: string, body?: string | Uint8Array, tolerance?: number, now?: number}} request
 *   the gateway's access keys as text; tolerance and now are in seconds, now since 1970
 * @returns {{event: string, sent: number} | {refused: 'missing' | 'malformed' | 'mismatch' | 'time'}}
 */
export function verify(value, { keys, method, path, body, tolerance = defaultTolerance, now = Date.now() / 1000 }) {
  if (!value) return { refused: 'missing' };
  if (Buffer.byteLength(value) > maxHeader) return { refused: 'malformed' };
  const all = name => value.split(',').filter(field => field.startsWith(name + '=')).map(field => field.slice(name.length + 1));
  const times = all('t'), events = all('id'), signatures = all('v1');
  if (times.length !== 1 || !/^-?\d{1,18}$/.test(times[0]) || events.length !== 1 || !events[0]) return { refused: 'malformed' };
  if (signatures.length < 1 || signatures.length > maxSignatures) return { refused: 'malformed' };
  if (!signatures.every(one => /^[0-9a-f]{64}$/i.test(one))) return { refused: 'malformed' };
  const [sent] = times, [event] = events;
  // Every signature is compared with every key: how long that takes says nothing of them.
  const good = keys.filter(Boolean).flatMap(key => {
    const want = createHmac('sha256', key).update(`v1\n${sent}\n${event}\n${method}\n${path}\n`).update(body ?? '').digest();
    return signatures.map(one => timingSafeEqual(Buffer.from(one, 'hex'), want));
  });
  if (!good.includes(true)) return { refused: 'mismatch' };
  if (Math.abs(now - Number(sent)) > tolerance) return { refused: 'time' };
  return { event, sent: Number(sent) };
}
