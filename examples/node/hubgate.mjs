// What any Node.js application needs to stand behind hubgate, without packages: tokens, signatures and REST.
import { createHmac, timingSafeEqual } from 'node:crypto';

// parseConnectionString returns { endpoint, clientEndpoint, key }. Clients may reach the gateway by another name.
export function parseConnectionString(text) {
  const parts = Object.fromEntries(text.split(';').filter(Boolean).map(part => {
    const at = part.indexOf('=');
    return [part.slice(0, at).toLowerCase(), part.slice(at + 1)];
  }));
  const endpoint = parts.endpoint.replace(/\/$/, '') + (parts.port ? ':' + parts.port : '');
  return { endpoint, clientEndpoint: parts.clientendpoint?.replace(/\/$/, '') ?? endpoint, key: parts.accesskey };
}

// verify checks X-Hubgate-Signature, which covers the whole request, and returns { event, sent }: an id that is the same in
// each attempt to deliver an event, and when this attempt was sent, in seconds. If it is not good: { refused }, with missing,
// malformed, mismatch or time. The path is that of the request with its query, as it came, the body its bytes or text.
export function verify(header, { keys, method, path, body, tolerance = 300, now = Date.now() / 1000 }) {
  if (!header) return { refused: 'missing' };
  if (Buffer.byteLength(header) > 2048) return { refused: 'malformed' };
  const all = name => header.split(',').filter(field => field.startsWith(name + '=')).map(field => field.slice(name.length + 1));
  const times = all('t'), events = all('id'), signatures = all('v1');
  if (times.length !== 1 || events.length !== 1 || !events[0] || !/^-?\d{1,18}$/.test(times[0]) || signatures.length < 1 ||
    signatures.length > 8 || !signatures.every(one => /^[0-9a-f]{64}$/i.test(one))) return { refused: 'malformed' };
  const [sent] = times, [event] = events;
  const good = keys.filter(Boolean).flatMap(key => {
    const want = createHmac('sha256', key).update(`v1\n${sent}\n${event}\n${method}\n${path}\n`).update(body ?? '').digest();
    return signatures.map(one => timingSafeEqual(Buffer.from(one, 'hex'), want));
  });
  if (!good.includes(true)) return { refused: 'mismatch' };
  if (Math.abs(now - Number(sent)) > tolerance) return { refused: 'time' };
  return { event, sent: Number(sent) };
}

export class Hub {
  constructor(name, connectionString) {
    this.name = name;
    Object.assign(this, parseConnectionString(connectionString));
  }

  // token makes a JSON web token for a URL of the gateway. It is good for an hour.
  token(audience, claims = {}) {
    const part = value => Buffer.from(JSON.stringify(value)).toString('base64url');
    const expires = Math.floor(Date.now() / 1000) + 3600;
    const body = part({ alg: 'HS256', typ: 'JWT' }) + '.' + part({ aud: audience, exp: expires, ...claims });
    return body + '.' + createHmac('sha256', this.key).update(body).digest('base64url');
  }

  // negotiate is the answer to a client that is this user.
  negotiate(user) {
    const url = `${this.clientEndpoint}/client/?hub=${this.name}`;
    return { url, accessToken: this.token(url, { 'asrs.s.uid': user }) };
  }

  // check says whether the gateway sent this very request, and not long ago: see verify. Header names are in lower case, as
  // Node.js has them. The header of the connection is not signed, but the event is, and begins with it. A body that is
  // neither text nor bytes is none: express.raw() has {} for that.
  check({ method, originalUrl, url, headers, body }) {
    const content = typeof body === 'string' || body instanceof Uint8Array ? body : '';
    const checked = verify(headers['x-hubgate-signature'], { keys: [this.key], method, path: originalUrl ?? url, body: content });
    return checked.refused || checked.event.startsWith(headers['x-asrs-connection-id'] + '.') ? checked : { refused: 'mismatch' };
  }

  // isGenuine says whether the gateway sent a webhook for this connection. It does not cover the body: use check where the
  // path comes as the gateway has sent it. Header names are in lower case, as Node.js has them.
  isGenuine(headers) {
    const want = Buffer.from('sha256=' + createHmac('sha256', this.key).update(headers['x-asrs-connection-id'] ?? '').digest('hex'));
    return (headers['x-asrs-signature'] ?? '').toLowerCase().split(',').some(have =>
      have.length === want.length && timingSafeEqual(Buffer.from(have), want));
  }

  // call reads a webhook: { user, connection, args, answer }. answer(result) is the body that a client waits for, if it does.
  call(headers, body) {
    const { invocationId, arguments: args = [] } = JSON.parse(body);
    return {
      user: Buffer.from(headers['x-asrs-user-id'] ?? '', 'latin1').toString(), // UTF-8; Node.js reads headers as Latin-1
      connection: headers['x-asrs-connection-id'],
      args,
      answer: result => invocationId ? JSON.stringify({ type: 3, invocationId, result }) : undefined,
    };
  }

  // rest makes one REST request. The path is that below the hub, its names percent-encoded.
  async rest(method, path, body) {
    const url = `${this.endpoint}/api/hubs/${this.name}${path}`;
    const answer = await fetch(url, {
      method,
      headers: { authorization: `Bearer ${this.token(url)}`, ...body && { 'content-type': 'application/json' } },
      body: body && JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  }

  sendToAll(target, ...args) { return this.rest('POST', '/:send', { target, arguments: args }); }
  sendToGroup(group, target, ...args) { return this.rest('POST', `/groups/${encodeURIComponent(group)}/:send`, { target, arguments: args }); }
  sendToUser(user, target, ...args) { return this.rest('POST', `/users/${encodeURIComponent(user)}/:send`, { target, arguments: args }); }
  join(group, connection) { return this.rest('PUT', `/groups/${encodeURIComponent(group)}/connections/${connection}`); }
  leave(group, connection) { return this.rest('DELETE', `/groups/${encodeURIComponent(group)}/connections/${connection}`); }
}
