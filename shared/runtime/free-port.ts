import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Finds a TCP port that nobody listens on right now. Another process may take it before the caller does: whoever starts a
 * server on it must be ready to try again.
 */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const server = createServer();
  server.listen(0, host);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error(`No TCP address from listen on ${host}`);
  return address.port;
}
