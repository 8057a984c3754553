// Requests of clients without a WebSocket, and what ASP.NET Core SignalR 10 was seen to answer.
//
// Each case is a short conversation; every request in it that has an entry in `expect` is compared.
// headers: every name of comparedHeaders (http.mjs) that is not listed must be absent.

const RS = '\x1e';
const noCache = { 'cache-control': 'no-cache, no-store', pragma: 'no-cache', expires: 'Thu, 01 Jan 1970 00:00:00 GMT' };
const text = { 'content-type': 'text/plain' };
const asJson = { 'content-type': 'application/json' };
const bytes = { 'content-type': 'application/octet-stream' };
const cors = { 'access-control-allow-origin': 'http://a.example', 'access-control-allow-credentials': 'true', vary: 'Origin' };
const transports = ['WebSockets:Text,Binary', 'ServerSentEvents:Text', 'LongPolling:Text,Binary'];
const version1 = { negotiateVersion: 1, members: ['negotiateVersion', 'connectionId', 'connectionToken', 'availableTransports'], transports };
const version0 = { negotiateVersion: 0, members: ['negotiateVersion', 'connectionId', 'availableTransports'], transports };

export const httpCases = [
  {
    name: 'negotiate v1', row: 'C02',
    play: (http) => http.negotiate('answer', { negotiateVersion: 1 }),
    expect: { answer: { status: 200, headers: asJson, negotiated: version1 } },
  },
  {
    name: 'negotiate v0', row: 'C03',
    play: (http) => http.negotiate('answer'),
    expect: { answer: { status: 200, headers: asJson, negotiated: version0 } },
  },
  {
    name: 'negotiate v99', row: 'C05',
    play: (http) => http.negotiate('answer', { negotiateVersion: 99 }),
    expect: { answer: { status: 200, headers: asJson, negotiated: version1 } },
  },
  {
    name: 'negotiate bad version', row: 'C05',
    play: (http) => http.negotiate('answer', { negotiateVersion: 'x' }),
    expect: { answer: { status: 200, headers: asJson, negotiated: { members: ['error'] } } },
  },
  {
    name: 'negotiate GET', row: 'C19',
    play: (http) => http.request('answer', 'GET', http.target.negotiateUrl({ negotiateVersion: 1 })),
    expect: { answer: { status: 405, headers: text } },
  },
  {
    name: 'negotiate, useStatefulReconnect', row: 'C17',
    play: (http) => http.negotiate('answer', { negotiateVersion: 1, useStatefulReconnect: true }),
    expect: { answer: { status: 200, headers: asJson, negotiated: version1 } },
  },
  {
    name: 'negotiate OPTIONS (CORS)', row: 'C25',
    play: (http) =>
      http.request('answer', 'OPTIONS', http.target.negotiateUrl({ negotiateVersion: 1 }), {
        anonymous: true,
        headers: {
          Origin: 'http://a.example',
          'Access-Control-Request-Method': 'POST',
          'Access-Control-Request-Headers': 'authorization,x-requested-with,x-signalr-user-agent',
        },
      }),
    expect: {
      answer: {
        status: 204,
        headers: {
          ...cors,
          'access-control-allow-headers': 'authorization,x-requested-with,x-signalr-user-agent',
          'access-control-allow-methods': 'POST',
        },
      },
    },
  },
  {
    name: 'negotiate with Origin', row: 'C26',
    play: (http) => http.negotiate('answer', { negotiateVersion: 1 }, { Origin: 'http://a.example' }),
    expect: { answer: { status: 200, headers: { ...asJson, ...cors }, negotiated: version1 } },
  },
  {
    name: 'GET without id', row: 'C23',
    play: async (http) => {
      await http.request('plain', 'GET', http.target.transportUrl());
      await http.request('events', 'GET', http.target.transportUrl(), { headers: { Accept: 'text/event-stream' } });
    },
    expect: { plain: { status: 400, headers: { ...text, ...noCache } }, events: { status: 400, headers: text } },
  },
  {
    name: 'unknown id', row: 'C59',
    play: async (http) => {
      const url = http.target.transportUrl({ id: 'AAAAAAAAAAAAAAAAAAAAAA' });
      await http.request('GET', 'GET', url);
      await http.request('POST', 'POST', url, { body: 'x' });
      await http.request('DELETE', 'DELETE', url);
    },
    expect: {
      GET: { status: 404, headers: { ...text, ...noCache } },
      POST: { status: 404, headers: text },
      DELETE: { status: 404, headers: text },
    },
  },
  {
    name: 'POST without id and PUT',
    play: async (http) => {
      await http.request('POST', 'POST', http.target.transportUrl(), { body: 'x' });
      const { token } = await http.negotiate('', { negotiateVersion: 1 });
      await http.request('PUT', 'PUT', http.target.transportUrl({ id: token }), { body: 'x' });
    },
    expect: { POST: { status: 400, headers: text }, PUT: { status: 405, headers: text } },
  },
  {
    name: 'LP: by connectionId instead of token', row: 'C02',
    play: async (http) => {
      const { connectionId } = await http.negotiate('', { negotiateVersion: 1 });
      await http.request('GET', 'GET', http.target.transportUrl({ id: connectionId }));
    },
    expect: { GET: { status: 404, headers: { ...text, ...noCache } } },
  },
  {
    name: 'LP: POST before first poll', row: 'D5',
    play: async (http) => {
      const { token } = await http.negotiate('', { negotiateVersion: 1 });
      const url = http.target.transportUrl({ id: token });
      await http.request('POST', 'POST', url, { body: '{"protocol":"json","version":1}' + RS });
      await http.request('first poll', 'GET', url);
      await http.request('second poll', 'GET', url);
      await http.request('', 'DELETE', url);
    },
    expect: {
      POST: { status: 200, headers: text, body: '' },
      'first poll': { status: 200, headers: { ...bytes, ...noCache }, body: '' },
      'second poll': { status: 200, headers: { ...bytes, ...noCache }, body: '{}' + RS },
    },
  },
  {
    name: 'LP: a connection', row: 'C51 C56 C57 C60',
    play: async (http) => {
      const { token } = await http.negotiate('', { negotiateVersion: 1 });
      const url = http.target.transportUrl({ id: token });
      await http.request('first poll', 'GET', url);
      await http.request('', 'POST', url, { body: '{"protocol":"json","version":1}' + RS });
      await http.request('poll gets handshake', 'GET', url);
      await http.request('post ping', 'POST', url, { body: '{"type":6}' + RS });
      const first = http.request('the first of the two', 'GET', url);
      await http.pause();
      const second = http.request('second poll while one is pending', 'GET', url);
      await first;
      await http.pause();
      http.note('second poll is', http.has('second poll while one is pending') ? 'answered' : 'pending');
      await http.request('empty post', 'POST', url, { body: '' });
      await http.request('delete', 'DELETE', url);
      await second;
      await http.repeatWhile(202, 'delete again', 'DELETE', url); // until the connection that was deleted has gone
      await http.request('poll after delete', 'GET', url);
      await http.request('post after delete', 'POST', url, { body: '{"type":7}' + RS });
    },
    expect: {
      'first poll': { status: 200, headers: { ...bytes, ...noCache }, body: '' },
      'poll gets handshake': { status: 200, headers: { ...bytes, ...noCache }, body: '{}' + RS },
      'post ping': { status: 200, headers: text, body: '' },
      'the first of the two': { status: 204, body: '' },
      'second poll is': 'pending',
      'empty post': { status: 200, headers: text, body: '' },
      delete: { status: 202, headers: text, body: '' },
      'second poll while one is pending': { status: [200, 204] }, // 200: a Close record comes first
      'delete again': { status: 404, headers: text },
      'poll after delete': { status: 404, headers: { ...text, ...noCache } },
      'post after delete': { status: 404, headers: text },
    },
  },
  {
    name: 'SSE: a connection', row: 'C42 C46 C48 C49',
    play: async (http) => {
      const { token } = await http.negotiate('', { negotiateVersion: 1 });
      const url = http.target.transportUrl({ id: token });
      const stream = await http.stream('get', url);
      await http.request('post handshake', 'POST', url, { body: '{"protocol":"json","version":1}' + RS });
      await stream.until('{}' + RS + '\r\n\r\n');
      http.note('stream', stream.text());
      await http.request('second get while open', 'GET', url, { headers: { Accept: 'text/event-stream' } });
      await http.request('GET plain while SSE open', 'GET', url);
      stream.cut();
      await http.repeatWhile(200, 'post after the stream was cut', 'POST', url, { body: '{"type":6}' + RS });
    },
    expect: {
      get: { status: 200, headers: { ...noCache, expires: undefined, 'content-type': 'text/event-stream', 'content-encoding': 'identity' } },
      'post handshake': { status: 200, headers: text, body: '' },
      stream: ':\r\ndata: {}' + RS + '\r\n\r\n',
      'second get while open': { status: 409, headers: text },
      'GET plain while SSE open': { status: 400, headers: { ...text, ...noCache } },
      'post after the stream was cut': { status: 404, headers: text },
    },
  },
];

/** Cases of a gateway that demands a token, seen on the emulator; ASP.NET Core's server was run without one. */
export const tokenCases = [
  {
    name: 'negotiate without a good token',
    play: async (http) => {
      const url = http.target.negotiateUrl({ negotiateVersion: 1 });
      const token = http.target.headers.Authorization.slice('Bearer '.length);
      await http.request('no token', 'POST', url, { anonymous: true });
      await http.request('garbage', 'POST', url, { anonymous: true, headers: { Authorization: 'Bearer garbage' } });
      await http.request('in the query', 'POST', `${url}&access_token=${token}`, { anonymous: true });
      await http.request('Basic', 'POST', url, { anonymous: true, headers: { Authorization: 'Basic YTpi' } });
    },
    expect: {
      'no token': { status: 401, authenticate: /^Bearer$/ },
      garbage: { status: 401, authenticate: /^Bearer error="invalid_token"/ },
      'in the query': { status: 401, authenticate: /^Bearer$/ },
      Basic: { status: 401, authenticate: /^Bearer$/ },
    },
  },
];
