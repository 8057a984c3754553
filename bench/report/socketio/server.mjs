// Socket.IO in the process of its application: it broadcasts what is posted to /send.
// Keep-alives are off, as with all servers of the report. Everything else is as it comes.
import { createServer } from 'node:http';
import { Server } from 'socket.io';

const http = createServer((request, response) => {
  let text = '';
  request.setEncoding('utf8');
  request.on('data', piece => { text += piece; });
  request.on('end', () => {
    io.emit('bench', text);
    response.end();
  });
});
const io = new Server(http, { pingInterval: 1_800_000 });
http.keepAliveTimeout = 0; // connections of the load program stay
http.listen(Number(process.argv[2]), '127.0.0.1');
