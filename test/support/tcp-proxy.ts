import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

import type { Lifetime } from './lifetime.ts';

/** A TCP proxy that a test makes worse. Faults hold for all connections, those that come later too. */
export interface TcpProxy {
  readonly port: number;
  readonly connections: number;
  /** Nothing passes in either direction; connections stay open, new ones are accepted and hang. */
  freeze(): void;
  /** What was held back passes, in order. */
  thaw(): void;
  /** Requests pass, replies are thrown away, until `heal()`. */
  dropReplies(): void;
  /** The next chunk of replies on any connection is thrown away, and that connection reset: done, and nobody knows. */
  dropOneReply(): void;
  heal(): void;
  /** Ends all connections with a reset. New ones are accepted unless `refuse` was called. */
  reset(): void;
  /** New connections are reset at once, until `heal()`. */
  refuse(): void;
  /** Each chunk waits so long, in each direction; 0 is off. */
  delayBy(latencyMs: number): void;
}

/** Listens on a free port of `address`, and goes with the test. */
export async function startTcpProxy(
  t: Lifetime,
  target: { port: number; host?: string },
  address = '127.0.0.1',
): Promise<TcpProxy> {
  const { port: targetPort, host = '127.0.0.1' } = target;
  const pairs = new Set<{ client: Socket; server: Socket }>();
  const held: (() => void)[] = [];
  let isFrozen = false;
  let replies: 'pass' | 'drop' | 'dropOne' = 'pass';
  let isRefusing = false;
  let latencyMs = 0;

  const listener = createServer((client) => {
    if (isRefusing) return void client.resetAndDestroy();
    const server = connect({ port: targetPort, host, noDelay: true });
    const pair = { client, server };
    pairs.add(pair);
    client.setNoDelay(true);
    client.on('data', (chunk) => pass(() => server.write(chunk)));
    server.on('data', (chunk) => {
      if (replies === 'drop') return;
      if (replies === 'dropOne') {
        replies = 'pass';
        client.resetAndDestroy();
        return;
      }
      pass(() => client.write(chunk));
    });
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.on('error', () => {});
      socket.on('end', () => pass(() => other.end()));
      socket.on('close', () => {
        other.destroy();
        pairs.delete(pair);
      });
    }
  });

  function pass(deliver: () => void): void {
    if (isFrozen) held.push(deliver);
    else if (latencyMs > 0) setTimeout(() => release(deliver), latencyMs);
    else deliver();
  }

  /** A chunk whose delay is over may meet a freeze that began meanwhile. */
  function release(deliver: () => void): void {
    if (isFrozen) held.push(deliver);
    else deliver();
  }

  listener.listen(0, address);
  await once(listener, 'listening');
  t.after(async () => {
    for (const { client, server } of pairs) {
      client.destroy();
      server.destroy();
    }
    listener.close();
    await once(listener, 'close');
  });

  const thaw = () => {
    isFrozen = false;
    for (const deliver of held.splice(0)) deliver();
  };
  return {
    port: (listener.address() as AddressInfo).port,
    get connections() {
      return pairs.size;
    },
    freeze() {
      isFrozen = true;
    },
    thaw,
    dropReplies() {
      replies = 'drop';
    },
    dropOneReply() {
      replies = 'dropOne';
    },
    heal() {
      replies = 'pass';
      isRefusing = false;
      latencyMs = 0;
      thaw();
    },
    reset() {
      for (const { client } of pairs) client.resetAndDestroy();
    },
    refuse() {
      isRefusing = true;
    },
    delayBy(ms) {
      latencyMs = ms;
    },
  };
}
