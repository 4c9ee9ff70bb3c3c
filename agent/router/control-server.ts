import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { readJsonLines, writeJsonLine } from './json-lines.ts';
import { type RouterMessage, routerProtocolVersion } from './protocol.ts';
import type { Router } from './router.ts';
import { isRouterTable } from './table-file.ts';

/** A restarted agent may connect before its last connection is known to be dead; more than a few is a mistake. */
const maxAgents = 8;

/**
 * Serves the control protocol on a unix socket that only this user may open. A socket file left by a dead process is
 * replaced; the caller has made sure that no living router uses it.
 */
export async function serveControl(router: Router, socketPath: string): Promise<Server> {
  const server = createServer((socket) => serveAgent(router, socket));
  server.maxConnections = maxAgents;
  await rm(socketPath, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, () => {
      server.off('error', reject);
      resolve();
    });
  });
  await chmod(socketPath, 0o600);
  return server;
}

function serveAgent(router: Router, socket: Socket): void {
  const send = (message: RouterMessage): void => writeJsonLine(socket, message);
  const unsubscribe = router.subscribe({
    onAck: (ack) => send({ type: 'ack', ...ack }),
    onNotice: (notice) => send({ type: 'endpoint', ...notice }),
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', unsubscribe);
  readJsonLines(socket, (message) => {
    answer(router, message, send).catch((error: unknown) => send({ type: 'refused', reason: String(error) }));
  });
}

async function answer(router: Router, message: unknown, send: (message: RouterMessage) => void): Promise<void> {
  const { type, table } = (message ?? {}) as { type?: unknown; table?: unknown };
  switch (type) {
    case 'hello':
      send({ type: 'welcome', version: routerProtocolVersion, pid: process.pid, epoch: router.epoch });
      return;
    case 'table':
      if (table === null) send({ type: 'ack', ...router.acknowledgement() });
      else if (isRouterTable(table)) await router.apply(table);
      else send({ type: 'refused', reason: 'the table does not have the shape of one' });
      return;
    case 'status':
      send({ type: 'ack', ...router.acknowledgement() });
      return;
    case 'stats':
      send({ type: 'stats', stats: await router.stats() });
      return;
    default:
      send({ type: 'refused', reason: `unknown message type ${JSON.stringify(type)}` });
  }
}
