import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below those that the kernel gives to connections and to whoever asks for any port, so that a server which was away finds
 * its own free again; below those of workers, too.
 */
const range = { from: 10_000, to: 19_999 };
/** Far more than it takes as long as a part of them is free. */
const maxAttempts = 200;

/**
 * Finds a TCP port that nobody listens on right now. Another process may take it before the caller does: whoever starts a
 * server on it must be ready to try again.
 */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const port = range.from + Math.floor(Math.random() * (range.to - range.from + 1));
    if (await isFree(port, host)) return port;
  }
  throw new Error(`No free port from ${range.from} to ${range.to} on ${host}`);
}

async function isFree(port: number, host: string): Promise<boolean> {
  const server = createServer();
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
  server.close();
  await once(server, 'close');
  return true;
}
