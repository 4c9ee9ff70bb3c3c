// Notifications to whoever is connected. Right with one instance: all sockets are here.
import Fastify from 'fastify';
import { Server } from 'socket.io';

const { PORT = '30006', HOST = '127.0.0.1' } = process.env;

// hazard: memory-sockets
const connections = new Map();
const app = Fastify();
// hazard: socket-no-adapter
const io = new Server(app.server, { transports: ['websocket'] });

io.of('/notifications').on('connection', (socket) => {
  const { userId } = socket.handshake.auth;
  connections.set(userId, socket);
  socket.on('disconnect', () => {
    if (connections.get(userId) === socket) connections.delete(userId);
  });
  socket.emit('welcome', { userId });
});

app.post('/notifications/send', async (request) => {
  const { userId, message } = request.body;
  // Only sockets of this instance are found.
  const socket = connections.get(userId);
  socket?.emit('notification', { message });
  return { delivered: socket !== undefined };
});

app.get('/health', async () => ({ status: 'ok', pid: process.pid }));

// hazard: no-shutdown
await app.listen({ port: Number(PORT), host: HOST });
