// Checks X-Hubgate-Signature: that a webhook comes from your gateway, is as it was sent, and is not an old one sent again.
import { createHmac, timingSafeEqual } from 'node:crypto';

export interface VerifyOptions {
  keys: string[];
  method: string;
  /** Path and query, as the gateway has sent them. */
  path: string;
  /** None is an empty one. */
  body?: Uint8Array | string | undefined;
  /** Seconds that the two clocks may be apart; 300 unless set. */
  tolerance?: number | undefined;
  /** Seconds since 1970. */
  now?: number | undefined;
}

/** The event is the same in each attempt to deliver it. */
export type Verified = { event: string; sent: number } | { refused: 'missing' | 'malformed' | 'mismatch' | 'time' };

/** Checks X-Hubgate-Signature, which covers the whole request. */
export function verify(header: string | null | undefined, { keys, method, path, body, tolerance = 300, now = Date.now() / 1000 }: VerifyOptions): Verified {
  if (!header) return { refused: 'missing' };
  if (Buffer.byteLength(header) > 2048) return { refused: 'malformed' };
  const all = (name: string) => header.split(',').filter(field => field.startsWith(name + '=')).map(field => field.slice(name.length + 1));
  const [sent, ...times] = all('t'), [event, ...events] = all('id'), signatures = all('v1');
  if (!sent || times.length || !event || events.length || !/^-?\d{1,18}$/.test(sent) || signatures.length < 1 ||
    signatures.length > 8 || !signatures.every(one => /^[0-9a-f]{64}$/i.test(one))) return { refused: 'malformed' };
  // Every signature is compared with every key: how long that takes says nothing of them.
  const good = keys.filter(Boolean).flatMap(key => {
    const want = createHmac('sha256', key).update(`v1\n${sent}\n${event}\n${method}\n${path}\n`).update(body ?? '').digest();
    return signatures.map(one => timingSafeEqual(Buffer.from(one, 'hex'), want));
  });
  if (!good.includes(true)) return { refused: 'mismatch' };
  if (Math.abs(now - Number(sent)) > tolerance) return { refused: 'time' };
  return { event, sent: Number(sent) };
}
