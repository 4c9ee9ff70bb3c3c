import { DatabaseSync } from 'node:sqlite';

import type { Coordination } from '../../../shared/coordination/coordination.ts';
import { createRedisFenceStore } from '../../../shared/coordination/fence/redis-fence-store.ts';
import { createSqlFence } from '../../../shared/coordination/fence/sql-fence.ts';
import { fromSqlite } from '../../../shared/coordination/sql.ts';
import type { Effect } from './check-stale-effects.ts';

/** What holders write to. `unfenced` takes every write, as most resources do; it is there to show what fences are for. */
export type ResourceKind = 'unfenced' | 'redis-fence' | 'sqlite-fence';

export interface Resource {
  /** Whether the write took effect. */
  write(key: string, epoch: number): Promise<boolean>;
  /** All writes that took effect, in the order of the resource. */
  effects(keys: readonly string[]): Promise<Effect[]>;
  close(): void;
}

export interface ResourceOptions {
  readonly coordination: Pick<Coordination, 'redis' | 'prefix'>;
  /** For a resource that is a file. */
  readonly file: string;
}

export async function openResource(kind: ResourceKind, options: ResourceOptions): Promise<Resource> {
  return kind === 'sqlite-fence' ? openTable(options.file) : openLog(kind, options.coordination);
}

function openLog(kind: ResourceKind, { redis, prefix }: ResourceOptions['coordination']): Resource {
  const fence = createRedisFenceStore({ redis, prefix: `${prefix}:resource` });
  const logOf = (key: string) => `${prefix}:resource:${key}:log`;
  return {
    async write(key, epoch) {
      if (kind === 'redis-fence' && !(await fence.raise({ name: key, token: epoch }))) return false;
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

/** Each effect is a row, written in the transaction that checks the fence. */
async function openTable(file: string): Promise<Resource> {
  const handle = new DatabaseSync(file);
  handle.exec('PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF');
  handle.exec('CREATE TABLE IF NOT EXISTS effects (at INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT, epoch INTEGER)');
  const database = fromSqlite(handle);
  const fence = createSqlFence({ dialect: 'sqlite' });
  await fence.createTable(database);
  return {
    async write(key, epoch) {
      try {
        await database.transaction(async (tx) => {
          await fence.check(tx, { name: key, token: epoch });
          await tx.query('INSERT INTO effects (key, epoch) VALUES ($1, $2)', [key, epoch]);
        });
        return true;
      } catch (error) {
        if ((error as { code?: string }).code === 'FENCE_STALE') return false;
        throw error;
      }
    },
    async effects() {
      const { rows } = await database.query('SELECT key, epoch FROM effects ORDER BY at');
      return rows.map(({ key, epoch }) => ({ key: String(key), epoch: Number(epoch) }));
    },
    close: () => handle.close(),
  };
}
