import type { Drover, PortPools } from 'drover';
import { Refusal } from '../shared/refusal.ts';

type Usage = Awaited<ReturnType<PortPools['usage']>>;

export interface PortUsage {
  /** Tells the other hosts how full the pools of this one are. @throws Error while Redis is away */
  publish(): Promise<void>;
  /** Of each of these hosts that has said it lately. @throws Refusal 503 while Redis is away */
  read(hosts: readonly string[]): Promise<{ host: string; pools: Usage }[]>;
}

/** Hosts tell it every second or so. */
const keptMs = 15_000;

export function createPortUsage(drover: Drover, ports: PortPools): PortUsage {
  const { redis, prefix } = drover.coordination;
  const keyOf = (host: string) => `${prefix}:device-service:usage:${host}`;
  return {
    async publish() {
      await redis.set(keyOf(drover.host), JSON.stringify(await ports.usage()), 'PX', keptMs);
    },
    async read(hosts) {
      if (hosts.length === 0) return [];
      const texts = await redis.mget(hosts.map(keyOf)).catch((error: Error) => {
        throw new Refusal(503, 'STORE_UNREACHABLE', `Redis: ${error.message}`, { retryAfterSeconds: 1 });
      });
      return hosts.flatMap((host, at) => (texts[at] ? [{ host, pools: JSON.parse(texts[at]) as Usage }] : []));
    },
  };
}
