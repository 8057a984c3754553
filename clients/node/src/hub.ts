import { createHmac } from 'node:crypto';

/** What a method of a client may be given: anything that is JSON. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export interface HubOptions {
  /** Makes requests; the global fetch unless set. */
  fetch?: typeof fetch;
  /** Milliseconds since 1970; Date.now unless set. */
  now?: () => number;
}

export interface ClientOptions {
  /** The user id; none is nobody. */
  user?: string | undefined;
  /** Seen by webhooks and hub servers. A list is several claims. */
  claims?: Record<string, Json> | undefined;
  /** How many seconds the token is good, an hour unless set. A client stays connected after that. */
  lifetime?: number | undefined;
}

/** What a negotiate endpoint answers as JSON. */
export interface Negotiated {
  url: string;
  accessToken: string;
}

/** A connection in a group; the user id is '' for nobody. */
export interface Member {
  connectionId: string;
  userId: string;
}

/** An answer that is neither success nor "no". */
export class StatusError extends Error {
  override name = 'StatusError';
  /** The code is that of the header x-ms-error-code. */
  constructor(readonly status: number, readonly text: string, readonly retryAfter: string | null, readonly code: string | null = null) {
    super(`the gateway answered ${status}: ${text}`);
  }
}

const version = '2022-06-01', newest = '2024-12-01'; // of what was not there before

/** Percent-encodes all but letters, digits and -._~ */
const escape = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, one => '%' + one.charCodeAt(0).toString(16).toUpperCase());

/** The codes of a 404 that is the gateway's "no". Any other 404 is of something that does not know the path. */
const no = /^(warning\.(connection|user|group)\.notexisted|info\.user\.notingroup)$/i;

/** Requests go to the server endpoint, clients to theirs; the audience of their tokens is the endpoint. */
export interface ConnectionString {
  endpoint: string;
  serverEndpoint: string;
  clientEndpoint: string;
  key: string;
}

function endpointOf(text: string, port: string | undefined): string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new Error('an endpoint of the connection string is no URL');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new Error('an endpoint of the connection string is not an http:// or https:// URL');
  if (port !== undefined) {
    if (!/^\d{1,5}$/.test(port)) throw new Error('the Port of the connection string is not a number');
    url.port = port;
  }
  return (url.origin + url.pathname).replace(/\/+$/, '');
}

/** Reads "Endpoint=…;AccessKey=…;", with Port, ClientEndpoint and ServerEndpoint if need be. Errors do not repeat the text, which holds the key. */
export function parseConnectionString(text: string): ConnectionString {
  if (!text) throw new Error('there is no connection string');
  const parts = new Map(text.split(';').filter(part => part.trim()).map(part => {
    const at = part.indexOf('=');
    return [part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim()] as const;
  }));
  const endpoint = endpointOf(parts.get('endpoint') ?? '', parts.get('port')), key = parts.get('accesskey');
  if (!key) throw new Error('the connection string has no AccessKey');
  const other = (name: string) => parts.get(name) ? endpointOf(parts.get(name)!, undefined) : endpoint;
  return { endpoint, serverEndpoint: other('serverendpoint'), clientEndpoint: other('clientendpoint'), key };
}

/** Claims of the token. Those of a user with such a name have a prefix, which the gateway takes away. */
const reserved = ['aud', 'exp', 'iat', 'nbf', 'iss', 'actort', 'acr', 'azp', 'c_hash', 'jti', 'nonce'];

const ofUser = (claims: Record<string, Json> = {}) =>
  Object.fromEntries(Object.entries(claims).map(([name, value]) => [reserved.includes(name) ? `asrs.u.${name}` : name, value]));

/** One hub of a gateway. */
export class Hub {
  readonly name: string;
  readonly #at: ConnectionString;
  readonly #fetch: typeof fetch;
  readonly #now: () => number;

  constructor(name: string, connectionString: string, options: HubOptions = {}) {
    if (!name) throw new Error('the hub has no name');
    this.name = name.toLowerCase();
    this.#at = parseConnectionString(connectionString);
    this.#fetch = options.fetch ?? fetch;
    this.#now = options.now ?? Date.now;
  }

  /** The access keys that webhooks are signed with. */
  get keys(): string[] { return [this.#at.key]; }

  /** Where a client connects to, and with which token: the answer of POST …/negotiate, for the user who is logged in there. */
  negotiate({ user, claims, lifetime }: ClientOptions = {}): Negotiated {
    const path = `/client/?hub=${escape(this.name)}`;
    return {
      url: this.#at.clientEndpoint + path,
      accessToken: this.#token(this.#at.endpoint + path, { ...ofUser(claims), ...user && { 'asrs.s.uid': user } }, lifetime),
    };
  }

  #token(audience: string, claims: Record<string, Json>, lifetime = 3600): string {
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const now = Math.floor(this.#now() / 1000);
    const body = part({ alg: 'HS256', typ: 'JWT' }) + '.' + part({ ...claims, aud: audience, iat: now, exp: now + lifetime });
    return body + '.' + createHmac('sha256', this.#at.key).update(body).digest('base64url');
  }

  /** Calls a method of every client. It ends when the gateway has taken it: who receives it it does not say. */
  async sendToAll(target: string, ...args: unknown[]): Promise<void> { await this.#send('', target, args); }
  /** Calls a method of all clients of a user. */
  async sendToUser(user: string, target: string, ...args: unknown[]): Promise<void> { await this.#send(`/users/${escape(user)}`, target, args); }
  /** Calls a method of all clients in a group. */
  async sendToGroup(group: string, target: string, ...args: unknown[]): Promise<void> { await this.#send(`/groups/${escape(group)}`, target, args); }
  /** Calls a method of one client. */
  async sendToConnection(id: string, target: string, ...args: unknown[]): Promise<void> { await this.#send(`/connections/${escape(id)}`, target, args); }

  #send(to: string, target: string, args: unknown[]) { return this.#call('POST', `${to}/:send`, version, {}, { target, arguments: args }); }

  /** Calls a method of one client and returns its result. */
  async invoke<T = unknown>(id: string, target: string, ...args: unknown[]): Promise<T> {
    const answer = await this.#call('POST', `/connections/${escape(id)}/:invoke`, newest, {}, { target, arguments: args });
    return (JSON.parse(answer) as { result: T }).result;
  }

  async addToGroup(id: string, group: string): Promise<void> { await this.#call('PUT', `/groups/${escape(group)}/connections/${escape(id)}`); }
  async removeFromGroup(id: string, group: string): Promise<void> { await this.#call('DELETE', `/groups/${escape(group)}/connections/${escape(id)}`); }
  /** Adds a user: all clients that the user has and will have. */
  async addUserToGroup(user: string, group: string): Promise<void> { await this.#call('PUT', `/users/${escape(user)}/groups/${escape(group)}`); }
  async removeUserFromGroup(user: string, group: string): Promise<void> { await this.#call('DELETE', `/users/${escape(user)}/groups/${escape(group)}`); }

  /** Closes a connection. The client is told the reason, if there is one. */
  async closeConnection(id: string, reason?: string): Promise<void> { await this.#call('DELETE', `/connections/${escape(id)}`, version, { reason }); }
  async closeUser(user: string, reason?: string): Promise<void> { await this.#call('POST', `/users/${escape(user)}/:closeConnections`, version, { reason }); }
  async closeGroup(group: string, reason?: string): Promise<void> { await this.#call('POST', `/groups/${escape(group)}/:closeConnections`, version, { reason }); }

  connectionExists(id: string): Promise<boolean> { return this.#is(`/connections/${escape(id)}`); }
  userExists(user: string): Promise<boolean> { return this.#is(`/users/${escape(user)}`); }
  groupExists(group: string): Promise<boolean> { return this.#is(`/groups/${escape(group)}`); }
  userInGroup(user: string, group: string): Promise<boolean> { return this.#is(`/users/${escape(user)}/groups/${escape(group)}`); }

  async #is(path: string): Promise<boolean> {
    try {
      await this.#call('HEAD', path);
      return true;
    } catch (error) {
      if (error instanceof StatusError && error.status === 404 && no.test(error.code ?? '')) return false;
      throw error;
    }
  }

  /** The connections in a group, page by page. */
  async *listGroup(group: string): AsyncGenerator<Member, void, undefined> {
    for (let continuationToken: string | undefined; ;) {
      const answer = await this.#call('GET', `/groups/${escape(group)}/connections`, newest, { continuationToken });
      const page = JSON.parse(answer) as { value: { connectionId: string; userId?: string }[]; nextLink?: string };
      for (const { connectionId, userId } of page.value) yield { connectionId, userId: userId ?? '' };
      // Of the link only the token counts: an answer does not say where this hub's token is sent to.
      continuationToken = page.nextLink ? new URL(page.nextLink, this.#at.serverEndpoint).searchParams.get('continuationToken') ?? undefined : undefined;
      if (!continuationToken) return;
    }
  }

  /** Makes one request and returns the body of a success. The path is that below the hub. */
  async #call(method: string, path: string, apiVersion = version, query: Record<string, string | undefined> = {}, body?: object): Promise<string> {
    // URLs take such segments out of a path, however they are escaped.
    if (/\/\.\.?(\/|$)/.test(path)) throw new Error('"." and ".." cannot be an id in a URL');
    const audience = `${this.#at.serverEndpoint}/api/hubs/${escape(this.name)}${path}`;
    let url = `${audience}?api-version=${apiVersion}`;
    for (const [name, value] of Object.entries(query)) if (value) url += `&${name}=${escape(value)}`;
    const answer = await this.#fetch(url, {
      method,
      headers: { authorization: `Bearer ${this.#token(audience, {})}`, ...body && { 'content-type': 'application/json' } },
      ...body && { body: JSON.stringify(body) },
    });
    const text = await answer.text();
    if (!answer.ok) throw new StatusError(answer.status, text, answer.headers.get('retry-after'), answer.headers.get('x-ms-error-code'));
    return text;
  }
}
