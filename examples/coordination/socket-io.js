// A chat on many instances: what a client says reaches the clients of all of them, and a deploy sends clients elsewhere gently.
import { createServer } from 'node:http';
import { connect } from 'drover';
import { drainSockets, mountSocketIo } from 'drover/socket-io';
import { Server } from 'socket.io';

const { PORT = '3000', HOST = '127.0.0.1', DRAIN_MS = '2000' } = process.env;
const drover = connect();
const gaps = [];

const server = createServer((request, response) => {
  if (request.url.startsWith('/socket.io/')) return;
  const body = { identity: drover.identity, redis: drover.state, clientsHere: io.of('/').sockets.size, gaps };
  response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
});

// Websockets only: with polling the requests of one client would have to reach the same instance each time.
const io = new Server(server, { transports: ['websocket'] });
const mounted = mountSocketIo(io, drover.coordination, {
  onGap(sinceMs) {
    gaps.push({ at: new Date(), sinceMs });
    // Clients of this instance may have missed something: have them ask for the messages since then.
    io.local.emit('gap', { sinceMs });
  },
});

io.on('connection', (socket) => {
  socket.on('join', (room, done) => {
    socket.join(room);
    done?.();
  });
  socket.on('say', (room, words) => io.to(room).emit('said', { room, words, through: drover.identity }));
});

await mounted.ready();
server.listen(Number(PORT), HOST);
process.once('SIGINT', async () => {
  // Stop taking in clients, send away those who are here, a few at a time, and only then take the adapter down.
  server.close();
  await drainSockets(io, { overMs: Number(DRAIN_MS) });
  await io.close();
  await mounted.close();
  await drover.close();
});
