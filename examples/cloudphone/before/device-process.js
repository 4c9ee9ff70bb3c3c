// One phone: it listens on the ports that it was given, and ends when the service that started it does.
import { createServer } from 'node:net';

const [host, ...ports] = process.argv.slice(2);

for (const port of ports) {
  const server = createServer((socket) => socket.end(`device ${process.pid}\n`));
  // Somebody else has the port: this phone cannot be reached where its owner was told.
  server.on('error', ({ code }) => process.exit(code === 'EADDRINUSE' ? 98 : 1));
  server.listen(Number(port), host);
}

process.stdin.on('end', () => process.exit(0)).resume();
process.on('SIGTERM', () => process.exit(0));
