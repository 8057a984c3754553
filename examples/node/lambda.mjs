// One function behind an HTTP endpoint, for example AWS Lambda with a function URL or an HTTP API: negotiate, webhooks
// whose signature it checks, and groups. It keeps no connection and no state.
//
//   hubgate --upstream 'https://YOUR-FUNCTION-URL/hook/{category}/{event}'
//
// Upload this file and hubgate.mjs. Set the environment variable HUBGATE_CONNECTION_STRING.
import { Hub } from './hubgate.mjs';

const hub = new Hub('chat', process.env.HUBGATE_CONNECTION_STRING);

const events = {
  '/hook/connections/connected': ({ connection }) => hub.join('lobby', connection),
  '/hook/connections/disconnected': ({ user }) => hub.sendToGroup('lobby', 'left', user),
  '/hook/messages/join': async ({ connection, user, args: [group] }) => {
    await hub.join(group, connection);
    await hub.sendToGroup(group, 'joined', user, group);
    return group;
  },
  '/hook/messages/say': ({ user, args: [group, text] }) => hub.sendToGroup(group, 'message', user, text),
};

const json = body => ({ statusCode: 200, headers: { 'content-type': 'application/json' }, body });

// The event is version 2.0 of the payload of HTTP APIs: header names are in lower case.
export async function handler({ rawPath, queryStringParameters: query, headers, body = '', isBase64Encoded }) {
  if (rawPath === '/chat/negotiate') {
    // Who is signed in: here whoever the query names. Put your authorizer's answer in its place.
    return query?.user ? json(JSON.stringify(hub.negotiate(query.user))) : { statusCode: 401, body: 'Who are you?' };
  }
  const event = events[rawPath];
  if (!event) return { statusCode: 404 };
  if (!hub.isGenuine(headers)) return { statusCode: 401 };
  const call = hub.call(headers, isBase64Encoded ? Buffer.from(body, 'base64').toString() : body);
  const answer = call.answer(await event(call));
  return answer ? json(answer) : { statusCode: 204 };
}
