// Where hubgate in Serverless mode differs from ASP.NET Core's server on purpose: what it answers instead, and why.
// A case that is not listed here must be answered alike.

export const byDesign = {
  'unknown type 99': {
    reason: 'the server keeps the connection but never reads past such a record; hubgate ignores the record and goes on',
    then: 'open',
  },
  'negotiate, useStatefulReconnect': {
    reason: 'the server was seen with stateful reconnect switched off; hubgate grants it (C91)',
    expect: {
      answer: {
        status: 200, headers: { 'content-type': 'application/json' },
        negotiated: {
          negotiateVersion: 1, transports: ['WebSockets:Text,Binary', 'ServerSentEvents:Text', 'LongPolling:Text,Binary'],
          members: ['negotiateVersion', 'connectionId', 'connectionToken', 'useStatefulReconnect', 'availableTransports'],
        },
      },
    },
  },
};

/** Headers that may be on an answer of hubgate although the other server does not send them, or that may list more. */
export const headersByDesign = {
  vary: 'on every answer, and naming what a preflight depends on: whether a cache sees the first request with or without Origin is chance',
  'access-control-allow-methods': 'a preflight is answered with all methods of the endpoint, not only with the one it asks for',
};
