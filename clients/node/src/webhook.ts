import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { verify } from './signature.js';

/** What a webhook tells. */
export interface HubEvent {
  hub: string;
  /** connections or messages */
  category: string;
  /** connected, disconnected, or the method that the client calls */
  event: string;
  connectionId: string;
  userId: string;
  /** Those of a call. Binary values of a MessagePack client are Uint8Array. */
  arguments: unknown[];
  /** Why a client that has disconnected did so; undefined for an ordinary end. */
  error?: string;
  /** The same in each attempt to deliver the event; undefined from Azure, which has no such thing. */
  id?: string;
}

/**
 * An error whose text the client gets: as the answer that it waits for, or as the reason why it is rejected, if the event is `connected`. Every
 * other error is answered with 500, and the client hears nothing of it.
 */
export class ErrorForClient extends Error {
  override name = 'ErrorForClient';
}

export interface WebhookOptions {
  /** The access keys of the gateway, one of which has to have signed: hub.keys. */
  keys: string[];
  /**
   * Refuses requests without X-Hubgate-Signature, which covers method, path, time, event, connection and body, but not the headers of user, hub,
   * category and event. Without it Azure's signature, which covers the connection id only and is checked always, is enough where the other one
   * is missing.
   */
  wholeRequest?: boolean;
  /** Bytes of a body, 1 MiB unless set. */
  maxBody?: number;
}

/** What it returns is the result of a client that waits for one. */
export type Handler = (event: HubEvent) => unknown;

/** Whether X-ASRS-Signature was made with one of the keys. It covers the connection id only. */
export function isGenuine(keys: string[], connectionId: string, signature: string): boolean {
  const wanted = keys.filter(Boolean).map(key => createHmac('sha256', key).update(connectionId).digest());
  return signature.split(',').flatMap(one => {
    const have = Buffer.from(one.replace(/^sha256=/, ''), 'hex');
    return wanted.map(want => have.length === want.length && timingSafeEqual(have, want));
  }).includes(true);
}

interface Request {
  method: string;
  path: string;
  header: (name: string) => string;
  body: Buffer;
}

interface Answer {
  status: number;
  type?: string;
  body?: string | Uint8Array;
}

const refusal = (status: number, body: string): Answer => ({ status, type: 'text/plain; charset=utf-8', body });

/** What a body says, and how its answer is written. */
interface Call {
  invocationId?: string | undefined;
  arguments: unknown[];
  error?: string;
  completion(of: { result: unknown } | { error: string }): Answer;
}

function parsed(body: Buffer): Call | undefined {
  try {
    const record: unknown = JSON.parse(body.toString());
    if (typeof record !== 'object' || record === null || Array.isArray(record)) return undefined;
    const { invocationId, arguments: args = [], error } = record as { invocationId?: string; arguments?: unknown[]; error?: string };
    return {
      invocationId, arguments: args, ...error !== undefined && { error },
      completion: of => ({ status: 200, type: 'application/json', body: JSON.stringify({ type: 3, invocationId, ...of }) }),
    };
  } catch {
    return undefined;
  }
}

/** The package @msgpack/msgpack, undefined where it is not installed: it is needed for clients that speak MessagePack only. */
const messagePack = () => import('@msgpack/msgpack').catch(() => undefined);

/** A record of a MessagePack client: [type, headers, invocationId, target, arguments, ...]. 1 is a call, 4 one whose result is a stream. */
function unpacked(codec: typeof import('@msgpack/msgpack'), body: Uint8Array): Call | undefined {
  try {
    const most = body.length; // no part is longer than all of it, whatever it says
    const record: unknown = codec.decode(body, { maxStrLength: most, maxBinLength: most, maxArrayLength: most, maxMapLength: most, maxExtLength: most });
    if (!Array.isArray(record) || record.length < 5 || record[0] !== 1 && record[0] !== 4 || !Array.isArray(record[4])) return undefined;
    const id: unknown = record[2];
    return {
      invocationId: typeof id === 'string' ? id : undefined, arguments: record[4] as unknown[],
      completion: of => ({
        status: 200, type: packedType,
        body: codec.encode('error' in of ? [3, {}, id, 1, of.error] : [3, {}, id, 3, of.result], { ignoreUndefined: true }),
      }),
    };
  } catch {
    return undefined;
  }
}

const packedType = 'application/x-msgpack';

async function read(type: string | undefined, body: Buffer): Promise<Call | Answer> {
  switch (type) {
    case 'application/json':
      return parsed(body) ?? refusal(400, 'the body is not a JSON object');
    case packedType: {
      const codec = await messagePack();
      if (!codec) return refusal(415, 'MessagePack is read where @msgpack/msgpack is installed');
      return unpacked(codec, body) ?? refusal(400, 'the body is not a MessagePack call');
    }
  }
  return refusal(415, 'only JSON and MessagePack are read here');
}

/** What a header cannot carry is percent-encoded in hubgate's requests, which have its signature. */
const decoded = (text: string) => text.replace(/(%[0-9a-f]{2})+/gi, run => Buffer.from(run.replaceAll('%', ''), 'hex').toString());

async function answer(request: Request, { keys, wholeRequest = false }: WebhookOptions, handle: Handler): Promise<Answer> {
  const { header, body } = request, whole = header('x-hubgate-signature');
  const connectionId = header('x-asrs-connection-id');
  let id: string | undefined;
  if (!isGenuine(keys, connectionId, header('x-asrs-signature'))) return refusal(401, 'the signature is not good');
  if (whole || wholeRequest) {
    const verified = verify(whole, { keys, method: request.method, path: request.path, body });
    if ('refused' in verified) return refusal(401, `the signature is not good: ${verified.refused}`);
    id = verified.event;
    // The header of the connection is not signed there, but the event is, and begins with it.
    if (!id.startsWith(connectionId + '.')) return refusal(401, 'the signature is not good: it is of another connection');
  }
  const call = await read(header('content-type').split(';')[0]?.trim(), body);
  if ('status' in call) return call;
  const event: HubEvent = {
    hub: header('x-asrs-hub'), category: header('x-asrs-category'), event: header('x-asrs-event'),
    connectionId, userId: whole ? decoded(header('x-asrs-user-id')) : header('x-asrs-user-id'),
    arguments: call.arguments, ...call.error !== undefined && { error: call.error }, ...id !== undefined && { id },
  };
  try {
    const result = await handle(event);
    return call.invocationId ? call.completion({ result: result ?? null }) : { status: 200 };
  } catch (error) {
    if (error instanceof ErrorForClient) {
      if (call.invocationId) return call.completion({ error: error.message });
      if (event.category === 'connections' && event.event === 'connected') return refusal(403, error.message);
    }
    console.error(error);
    return refusal(500, 'the application failed');
  }
}

/** A handler in the manner of fetch: for Hono, Deno, Bun, Next.js, workers. */
export function fetchHandler(options: WebhookOptions, handle: Handler): (request: globalThis.Request) => Promise<Response> {
  return async request => {
    const { pathname, search } = new URL(request.url);
    const body = request.body ? await gather(request.body as unknown as AsyncIterable<Uint8Array>, options.maxBody ?? 1 << 20) : Buffer.alloc(0);
    if (body === undefined) return new Response('the body is too large', { status: 413 });
    // Header values are bytes, which are given as Latin-1 where they are UTF-8.
    const { status, type, body: text } = await answer({
      method: request.method, path: pathname + search, body, header: name => utf8(request.headers.get(name) ?? ''),
    }, options, handle);
    return new Response(text as ConstructorParameters<typeof Response>[0] ?? null, { status, headers: type ? { 'content-type': type } : {} });
  };
}

/**
 * A handler for node:http, Express, Connect and the like. It reads the body itself; behind express.raw() it takes what that has read.
 * The promise is never rejected: a caller that hangs up is left alone, and a failure is logged and answered with 500.
 */
export function nodeHandler(options: WebhookOptions, handle: Handler) {
  return async (request: IncomingMessage & { originalUrl?: string; body?: unknown }, response: ServerResponse): Promise<void> => {
    try {
      const body = await bytesOf(request, options.maxBody ?? 1 << 20);
      const { status, type, body: text } = body === undefined ? refusal(413, 'the body is too large') : await answer({
        method: request.method ?? '', path: request.originalUrl ?? request.url ?? '', body,
        header: name => utf8([request.headers[name] ?? ''].flat().join(',')),
      }, options, handle);
      // What is left of a body that is too large is not read: the connection cannot be used for another request.
      response.writeHead(status, { ...type && { 'content-type': type }, ...body === undefined && { connection: 'close' } }).end(text);
    } catch (error) {
      if (request.destroyed && !request.complete) return; // the caller has left inside the body
      console.error(error);
      if (response.headersSent) response.destroy(); else response.writeHead(500).end();
    }
  };
}

const utf8 = (latin1: string) => /[\u0100-\uffff]/.test(latin1) ? latin1 : Buffer.from(latin1, 'latin1').toString();

async function bytesOf(request: IncomingMessage & { body?: unknown }, most: number): Promise<Buffer | undefined> {
  if (request.body instanceof Uint8Array || typeof request.body === 'string') return Buffer.from(request.body as Uint8Array);
  // To leave the loop would destroy the request: the refusal has to be sent.
  return gather(request.iterator({ destroyOnReturn: false }), most);
}

// gather stops at most bytes, and then returns undefined.
async function gather(body: AsyncIterable<Uint8Array>, most: number): Promise<Buffer | undefined> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body) {
    if ((length += part.length) > most) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts);
}
