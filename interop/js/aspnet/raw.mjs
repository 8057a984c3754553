// A client without a library: single requests, as a stand has them.
const data = encodeURIComponent('[{"name":"chathub"}]');

export class Raw {
  /** A client that has negotiated; `items` are further query items, such as fakeuser. */
  static async open(stand, items = {}) {
    const raw = new Raw();
    Object.assign(raw, { stand, items });
    if (!stand.self) {
      const redirect = await fetch(`${stand.server.endpoint}/signalr/negotiate?${new URLSearchParams({ clientProtocol: '2.1', ...items })}&connectionData=${data}`);
      raw.accessToken = (await redirect.json()).AccessToken;
    }
    raw.answer = await (await raw.call('negotiate', { bare: true })).json();
    raw.token = raw.answer.ConnectionToken;
    return raw;
  }

  /** Stands for a client of the library. */
  static of(stand, { connection }) {
    return Object.assign(new Raw(), { stand, items: {}, accessToken: connection.accessToken, token: connection.token });
  }

  /** The URL of a command. Without a `transport` it has none; `bare` URLs have no connectionToken. `extra` is added as it is. */
  url(command, { transport, bare, query = {}, extra = '' } = {}) {
    const items = new URLSearchParams({ ...(transport && { transport }), clientProtocol: '2.1', ...this.items, ...(!bare && { connectionToken: this.token }), ...query });
    return `${this.stand.endpoint}${this.stand.path}/${command}?${items}&connectionData=${data}${extra}`;
  }

  get headers() {
    return this.accessToken ? { Authorization: `Bearer ${this.accessToken}` } : {};
  }

  /** Sends a request; `body` is a form. */
  call(command, { method = 'GET', body, headers = this.headers, signal, ...options } = {}) {
    const form = body === undefined ? {} : { 'Content-Type': 'application/x-www-form-urlencoded; charset=UTF-8' };
    return fetch(this.url(command, options), { method, body, signal, headers: { ...form, ...headers } });
  }
}
