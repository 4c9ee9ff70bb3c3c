import type { Coordination } from '../../../shared/coordination/coordination.ts';
import type { Effect } from './check-stale-effects.ts';

/** What holders write to. `unfenced` takes every write, as most resources do; it is there to show what fences are for. */
export type ResourceKind = 'unfenced' | 'redis-register';

export interface Resource {
  /** Whether the write took effect. */
  write(key: string, epoch: number): Promise<boolean>;
  /** All writes that took effect, in the order of the resource. */
  effects(keys: readonly string[]): Promise<Effect[]>;
  close(): void;
}

export interface ResourceOptions {
  readonly coordination: Pick<Coordination, 'redis' | 'prefix'>;
  /** For resources that live in a file. */
  readonly file: string;
}

const fencedWrite = `
if tonumber(ARGV[1]) < tonumber(redis.call('GET', KEYS[1]) or '0') then return 0 end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('RPUSH', KEYS[2], ARGV[1])
return 1`;

export async function openResource(kind: ResourceKind, { coordination }: ResourceOptions): Promise<Resource> {
  const { redis, prefix } = coordination;
  const logOf = (key: string) => `${prefix}:resource:${key}:log`;
  return {
    async write(key, epoch) {
      if (kind === 'redis-register') {
        return (await redis.eval(fencedWrite, 2, `${prefix}:resource:${key}`, logOf(key), epoch)) === 1;
      }
      await redis.rpush(logOf(key), epoch);
      return true;
    },
    async effects(keys) {
      const logs = await Promise.all(keys.map((key) => redis.lrange(logOf(key), 0, -1)));
      return keys.flatMap((key, index) => logs[index]!.map((epoch) => ({ key, epoch: Number(epoch) })));
    },
    close() {},
  };
}
