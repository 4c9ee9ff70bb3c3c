import { Redis } from 'ioredis';

import { startTestRedis, type TestRedisOptions, type TestRedis as TestServer } from '../../sdk/testing/test-redis.ts';
import type { Lifetime } from './lifetime.ts';

/** A real `redis-server` that ends with the test. Its address stays the same over `restart()`. */
export interface TestRedis extends TestServer {
  /** A plain client, for looking at the data; it is closed with the test. */
  client(): Redis;
}

/** Starts a private `redis-server` on a free port of 127.0.0.1 with a directory of its own; both go when the test ends. */
export async function startRedis(t: Lifetime, options: TestRedisOptions = {}): Promise<TestRedis> {
  const server = await startTestRedis(options);
  const clients: Redis[] = [];
  t.after(async () => {
    for (const client of clients) client.disconnect();
    await server.close();
  });
  return Object.defineProperties(server, {
    client: {
      value() {
        const { port } = server;
        const client = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: null, retryStrategy: () => 50 });
        client.on('error', () => {});
        clients.push(client);
        return client;
      },
    },
  }) as TestRedis;
}
