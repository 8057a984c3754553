// An Express application behind hubgate: negotiate, webhooks whose signature it checks, and groups.
//
//   npm install && node express.mjs
//   hubgate --upstream 'http://localhost:7071/hook/{category}/{event}'
import express from 'express';
import { Hub } from './hubgate.mjs';

const hub = new Hub('chat', process.env.HUBGATE_CONNECTION_STRING ??
  'Endpoint=http://localhost;Port=8888;AccessKey=ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCDEFGH;Version=1.0;');
const app = express();

// Who is signed in: here whoever the query names. Put your session or token check in its place.
function signedIn(request, response, next) {
  request.user = request.query.user;
  if (!request.user) return response.status(401).send('Who are you?');
  next();
}

app.post('/chat/negotiate', signedIn, (request, response) => response.json(hub.negotiate(request.user)));

// Everything below /hook comes from the gateway, or is refused.
app.use('/hook', express.raw({ type: '*/*' }), (request, response, next) => {
  if (hub.check(request).refused) return response.sendStatus(401);
  request.call = hub.call(request.headers, request.body);
  next();
});

// on answers an event. What the handler returns is the result of an invoke.
const on = (name, handler) => app.post(`/hook/${name}`, async (request, response) => {
  const body = request.call.answer(await handler(request.call));
  body ? response.type('json').send(body) : response.sendStatus(204);
});

on('connections/connected', ({ connection }) => hub.join('lobby', connection));
on('connections/disconnected', ({ user }) => hub.sendToGroup('lobby', 'left', user));
on('messages/join', async ({ connection, user, args: [group] }) => {
  await hub.join(group, connection);
  await hub.sendToGroup(group, 'joined', user, group);
  return group;
});
on('messages/say', ({ user, args: [group, text] }) => hub.sendToGroup(group, 'message', user, text));

const server = app.listen(process.env.PORT ?? 7071, 'localhost', () => console.log(`ready: http://localhost:${server.address().port}`));
