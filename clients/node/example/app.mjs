import { createServer } from 'node:http';
import { Hub, nodeHandler } from 'hubgate';

const hub = new Hub('chat', process.env.HUBGATE_CONNECTION_STRING);

const hook = nodeHandler({ keys: hub.keys }, async ({ event, userId, arguments: [text] }) => {
  if (event !== 'say') return;
  await hub.sendToAll('said', userId, text);
  return 'sent';
});

createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  if (pathname === '/hook') return hook(request, response);
  if (pathname !== '/chat/negotiate') return response.writeHead(404).end();
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(hub.negotiate({ user: searchParams.get('user') }))); // whoever is logged in
}).listen(process.env.PORT);
