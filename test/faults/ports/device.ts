// Listens on a port of an allocation for a while, whatever happens to the process that started it; then it ends by itself.
import { createServer } from 'node:net';

const [port, address, lifeMs] = process.argv.slice(2);
const server = createServer();
server.on('error', () => process.exit(1));
server.listen({ port: Number(port), host: address!, exclusive: true }, () => process.stdout.write('listening\n'));
process.stdout.on('error', () => {});
setTimeout(() => process.exit(0), Number(lifeMs));
