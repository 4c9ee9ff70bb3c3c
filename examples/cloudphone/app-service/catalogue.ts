import type { SqlDatabase } from 'drover';
import { sql } from 'kysely';
import { createTables, queries, run } from '../shared/database.ts';

/**
 * What is known of an app: `uploading` until its content was checked, then `ready`, which is when it is seen; `removed`
 * while its files are cleared away. A row says `ready` only when the whole content is in the store under its key.
 */
export interface App {
  readonly id: string;
  readonly name: string;
  /** The user who uploads it; empty where nobody has to log in. */
  readonly owner: string;
  readonly state: 'uploading' | 'ready' | 'removed';
  readonly sizeBytes: number;
  /** Of the whole content, in hex, as the client says and as was found. */
  readonly sha256: string;
  readonly partBytes: number;
  readonly createdAt: number;
  /** When the sweep has to look after it; null once nothing is left to be done. */
  readonly sweepAt: number | null;
}

export interface Part {
  readonly number: number;
  /** Its name in the store: a new one each time that the part is sent. */
  readonly key: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

interface Tables {
  apps: {
    id: string;
    name: string;
    owner: string;
    state: App['state'];
    size_bytes: number;
    sha256: string;
    part_bytes: number;
    created_at: number;
    sweep_at: number | null;
  };
  app_parts: { app_id: string; number: number; store_key: string; size_bytes: number; sha256: string };
}

export type Catalogue = Awaited<ReturnType<typeof createCatalogue>>;

/** All that is known of apps, in SQL. Each change is one statement or one transaction, and says what it found. */
export async function createCatalogue(database: SqlDatabase) {
  const db = queries<Tables>();
  await createTables(database, tables);

  return {
    async add(app: App): Promise<void> {
      const { sizeBytes, partBytes, createdAt, sweepAt, ...same } = app;
      const more = { size_bytes: sizeBytes, part_bytes: partBytes, created_at: createdAt, sweep_at: sweepAt };
      await run(database, db.insertInto('apps').values({ ...same, ...more }));
    },

    async countUploads(owner: string, now: number): Promise<number> {
      const open = db.selectFrom('apps').where('owner', '=', owner).where('state', '=', 'uploading');
      const count = open.where('sweep_at', '>', now).select(({ fn }) => fn.countAll<number>().as('count'));
      return (await run(database, count)).rows[0]!.count;
    },

    async find(id: string): Promise<App | undefined> {
      const { rows } = await run(database, db.selectFrom('apps').selectAll().where('id', '=', id));
      return rows.map(toApp)[0];
    },

    /** Apps that are ready, newest first; `before` is the id of the last one of the page before. */
    async list(before: string | undefined, limit: number): Promise<App[]> {
      let ready = db.selectFrom('apps').selectAll().where('state', '=', 'ready');
      if (before !== undefined) {
        const last = db.selectFrom('apps').select('created_at').where('id', '=', before);
        ready = ready.where(sql<boolean>`(created_at, id) < (${last}, ${before})`);
      }
      const page = ready.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit);
      return (await run(database, page)).rows.map(toApp);
    },

    async listParts(id: string): Promise<Part[]> {
      const parts = db.selectFrom('app_parts').selectAll().where('app_id', '=', id).orderBy('number');
      const { rows } = await run(database, parts);
      return rows.map(({ number, store_key, size_bytes, sha256 }) => ({
        number,
        key: store_key,
        sizeBytes: size_bytes,
        sha256,
      }));
    },

    /** Makes a part that lies in the store the one that counts. Answers the key of the one before it; false when the upload is over. */
    putPart: (id: string, part: Part, sweepAt: number): Promise<string | null | false> =>
      database.transaction(async (tx) => {
        // First, because it makes whoever completes or removes this upload wait, on any instance.
        const touch = db.updateTable('apps').set({ sweep_at: sweepAt }).where('id', '=', id);
        if ((await run(tx, touch.where('state', '=', 'uploading'))).rowCount === 0) return false;
        const same = db.selectFrom('app_parts').select('store_key').where('app_id', '=', id);
        const { rows } = await run(tx, same.where('number', '=', part.number));
        const row = { store_key: part.key, size_bytes: part.sizeBytes, sha256: part.sha256 };
        const insert = db.insertInto('app_parts').values({ app_id: id, number: part.number, ...row });
        await run(
          tx,
          insert.onConflict((conflict) => conflict.columns(['app_id', 'number']).doUpdateSet(row)),
        );
        return rows[0]?.store_key ?? null;
      }),

    /** The instant at which an app is there for all. False when it was no upload any more, and then nothing has changed. */
    finish: (id: string, sweepAt: number): Promise<boolean> =>
      database.transaction(async (tx) => {
        const finish = db.updateTable('apps').set({ state: 'ready', sweep_at: sweepAt }).where('id', '=', id);
        if ((await run(tx, finish.where('state', '=', 'uploading'))).rowCount === 0) return false;
        await run(tx, db.deleteFrom('app_parts').where('app_id', '=', id));
        return true;
      }),

    /** From here on nobody sees it. False when it was in another state than `from`, or is not due by `dueBefore`. */
    remove: (id: string, from: App['state'], sweepAt: number, dueBefore?: number): Promise<boolean> =>
      database.transaction(async (tx) => {
        let remove = db.updateTable('apps').set({ state: 'removed', sweep_at: sweepAt }).where('id', '=', id);
        if (dueBefore !== undefined) remove = remove.where('sweep_at', '<', dueBefore);
        if ((await run(tx, remove.where('state', '=', from))).rowCount === 0) return false;
        await run(tx, db.deleteFrom('app_parts').where('app_id', '=', id));
        return true;
      }),

    async listDue(now: number, limit: number): Promise<App[]> {
      const due = db.selectFrom('apps').selectAll().where('sweep_at', '<', now).orderBy('sweep_at').limit(limit);
      return (await run(database, due)).rows.map(toApp);
    },

    async forget(id: string): Promise<void> {
      await run(database, db.deleteFrom('apps').where('id', '=', id).where('state', '=', 'removed'));
    },

    /** Nothing is left to be done about an app that is ready. */
    async settle(id: string): Promise<void> {
      const settle = db.updateTable('apps').set({ sweep_at: null }).where('id', '=', id);
      await run(database, settle.where('state', '=', 'ready'));
    },
  };
}

function toApp({ size_bytes, part_bytes, created_at, sweep_at, ...same }: Tables['apps']): App {
  return { ...same, sizeBytes: size_bytes, partBytes: part_bytes, createdAt: created_at, sweepAt: sweep_at };
}

const tables = [
  `CREATE TABLE IF NOT EXISTS apps (id TEXT PRIMARY KEY, name TEXT NOT NULL, owner TEXT NOT NULL, state TEXT NOT NULL,
    size_bytes BIGINT NOT NULL, sha256 TEXT NOT NULL, part_bytes BIGINT NOT NULL, created_at BIGINT NOT NULL, sweep_at BIGINT)`,
  'CREATE INDEX IF NOT EXISTS apps_by_sweep ON apps (sweep_at)',
  'CREATE INDEX IF NOT EXISTS apps_by_state ON apps (state, created_at)',
  `CREATE TABLE IF NOT EXISTS app_parts (app_id TEXT NOT NULL, number INTEGER NOT NULL, store_key TEXT NOT NULL,
    size_bytes BIGINT NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (app_id, number))`,
];
