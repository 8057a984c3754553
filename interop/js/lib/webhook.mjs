// An application's upstream: receives hubgate's webhooks, checks their signatures and answers invocations.
import { createServer } from 'node:http';
import { MessagePackHubProtocol } from 'msgpack-10';
import { Inbox } from './wait.mjs';
import { upstreamSignature } from './token.mjs';

const messagePack = new MessagePackHubProtocol();
const RS = '\x1e';

const silent = { log() {} };

/** The invocation in a webhook's body: JSON text without separator, or MessagePack without length prefix (R55, R56). */
function parseMessage(contentType, body) {
  if (contentType === 'application/json') return JSON.parse(body.toString('utf8'));
  if (contentType !== 'application/x-msgpack') throw new Error(`content type ${contentType}`);
  const prefix = [];
  let rest = body.length;
  do {
    prefix.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  // Clients do not read what they alone send: a StreamInvocation (4) is read as the Invocation (1) that it looks like.
  const [array, type, ...content] = body;
  const framed = new Uint8Array([...prefix, array, type === 4 ? 1 : type, ...content]);
  return { ...messagePack.parseMessages(framed.buffer, silent)[0], type };
}

/** A Completion record, framed for the protocol that the event came in (R69). */
export function completion(event, content) {
  const message = { type: 3, headers: {}, invocationId: event.message.invocationId, ...content };
  if (event.contentType === 'application/json') {
    delete message.headers;
    return Buffer.from(JSON.stringify(message) + RS);
  }
  return Buffer.from(messagePack.writeMessage(message));
}

export class Webhook {
  static async listen() {
    const hook = new Webhook();
    hook.keys = [];
    hook.handlers = new Map(); // "hub/event" or "event" -> handler
    hook.inboxes = new Map(); // by connection id
    hook.problems = [];
    hook.checked = 0;
    hook.server = createServer((request, response) => {
      hook.serve(request, response).catch((error) => {
        hook.problems.push(`${request.url}: ${error.message}`);
        response.writeHead(500).end();
      });
    });
    await new Promise((resolve) => hook.server.listen(0, '127.0.0.1', resolve));
    hook.endpoint = `http://127.0.0.1:${hook.server.address().port}`;
    hook.template = `${hook.endpoint}/{hub}/{category}/{event}`;
    return hook;
  }

  /** `handler(event)` returns `{result}`, `{error}`, `{}` (void), or `{status, body}` as it is; hub is optional. */
  on(name, handler) {
    this.handlers.set(name, handler);
  }

  /** The events of one connection, an Inbox. */
  of(connectionId) {
    if (!this.inboxes.has(connectionId)) this.inboxes.set(connectionId, new Inbox(`webhook for ${connectionId}`));
    return this.inboxes.get(connectionId);
  }

  async serve(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const event = this.check(request, Buffer.concat(chunks));
    this.of(event.connectionId).put(event);
    const handler = this.handlers.get(`${event.hub}/${event.event}`) ?? this.handlers.get(event.event);
    const answer = (await handler?.(event)) ?? {};
    if (answer.status !== undefined) {
      response.writeHead(answer.status, answer.headers).end(answer.body);
    } else if (event.message?.invocationId === undefined || event.message.invocationId === null) {
      response.writeHead(200).end();
    } else {
      response.writeHead(200).end(completion(event, answer));
    }
  }

  check(request, body) {
    const header = (name) => request.headers[`x-asrs-${name}`];
    const contentType = request.headers['content-type'];
    const event = {
      connectionId: header('connection-id'),
      hub: header('hub'),
      category: header('category'),
      event: header('event'),
      userId: header('user-id') && Buffer.from(header('user-id'), 'latin1').toString('utf8'),
      claims: header('user-claims'),
      query: header('client-query'),
      contentType,
      body,
      message: parseMessage(contentType, body),
    };
    const expected = upstreamSignature(this.keys, event.connectionId ?? '');
    // One line, the primary key first, nothing between the two but a comma.
    if (header('signature')?.toLowerCase() !== expected) throw new Error(`signature ${header('signature')}`);
    const path = [event.hub, event.category, event.event].map(encodeURIComponent).join('/');
    if (request.method !== 'POST' || request.url !== `/${path}`) throw new Error(`${request.method} instead of POST /${path}`);
    this.checked++;
    return event;
  }

  close() {
    this.server.closeAllConnections();
    this.server.close();
  }
}
