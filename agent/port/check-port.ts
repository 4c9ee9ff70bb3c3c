import { once } from 'node:events';
import { createServer } from 'node:net';
import { findPortHolder } from './find-port-holder.ts';

/** The wildcard addresses overlap with every other, so binding them shows a listener on any address. */
const wildcards = ['0.0.0.0', '::'] as const;

/**
 * Whether a worker could listen on this port now. Null when it could; otherwise a sentence that names who holds it. Another
 * process may still take it before the worker does: the worker then fails by itself.
 */
export async function checkPort(port: number): Promise<string | null> {
  for (const host of wildcards) {
    const code = await tryBind(host, port);
    if (code === null || code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL') continue;
    if (code !== 'EADDRINUSE') return `port ${port} cannot be used: ${code}`;
    const pid = findPortHolder(port);
    return `port ${port} is taken by another process${pid === null ? '' : ` (pid ${pid})`}`;
  }
  return null;
}

async function tryBind(host: string, port: number): Promise<string | null> {
  const server = createServer();
  try {
    server.listen({ host, port, exclusive: true, ipv6Only: host === '::' });
    await once(server, 'listening');
    return null;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'UNKNOWN';
  } finally {
    if (server.listening) {
      server.close();
      await once(server, 'close');
    }
  }
}
