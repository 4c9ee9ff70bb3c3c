import { randomUUID } from 'node:crypto';

import { seedBoot } from '../../shared/coordination/lease/seed-boot.ts';
import { connect } from '../connect.ts';
import type { ConnectOptions } from '../connect-options.ts';
import type { Drover } from '../drover.ts';
import { startTestRedis, type TestRedis } from './test-redis.ts';

export interface TestDroverOptions extends Omit<ConnectOptions, 'url'> {
  /** A Redis to share, by its URL or as `startTestRedis()` made it. Default: a private server, closed with this. */
  readonly redis?: TestRedis | string;
}

export interface TestDrover extends Drover {
  /** Undefined when a URL was given. */
  readonly redis: TestRedis | undefined;
  /** A further participant of the same coordination, as another instance on another host would be; closed with this. */
  another(options?: Pick<ConnectOptions, 'identity' | 'host' | 'clock' | 'logger'>): Promise<Drover>;
}

/**
 * Connects for a test: on a real Redis, under a prefix of its own, ready and with nothing to wait for.
 *
 * ```ts
 * test('an order is paid once', async () => {
 *   await using drover = await openTestDrover();
 *   const second = await drover.another({ host: 'host-b' });
 * });
 * ```
 */
export async function openTestDrover(options: TestDroverOptions = {}): Promise<TestDrover> {
  const { redis: given, prefix = `test-${randomUUID()}`, ...rest } = options;
  const own = given === undefined ? await startTestRedis() : undefined;
  const redis = typeof given === 'object' ? given : own;
  const url = typeof given === 'string' ? given : redis!.url;
  const opened: Drover[] = [];
  const close = async () => {
    await Promise.all(opened.splice(0).map((drover) => drover.close()));
    await own?.close();
  };
  const open = async (more: ConnectOptions): Promise<Drover> => {
    const drover = connect({ ...rest, ...more, url, prefix });
    opened.push(drover);
    await drover.ready(AbortSignal.timeout(readyTimeoutMs));
    return drover;
  };
  try {
    const first = await open({ identity: 'test/1', ...rest });
    await seedBoot(first.coordination.redis, prefix);
    return Object.defineProperties(Object.create(first) as TestDrover, {
      redis: { value: redis },
      another: { value: (more: ConnectOptions = {}) => open({ identity: `test/${opened.length + 1}`, ...more }) },
      close: { value: close },
      [Symbol.asyncDispose]: { value: close },
    });
  } catch (error) {
    await close();
    throw error;
  }
}

/** A server on this machine answers at once; a wrong URL should fail a test soon. */
const readyTimeoutMs = 5_000;
