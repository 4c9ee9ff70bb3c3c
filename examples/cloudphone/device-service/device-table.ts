import { randomUUID } from 'node:crypto';
import { guardRow } from 'drover';
import { sql } from 'kysely';
import { createTables, type Database, queries, run } from '../shared/database.ts';

/**
 * creating → running → deleting → gone
 *     └─────────┴──→ failed (it crashes again and again) | lost (its host is gone) ──→ gone
 *
 * The row says what is wanted, and whoever looks after the device makes it so. States only advance.
 */
export type DeviceState = 'creating' | 'running' | 'deleting' | 'gone' | 'failed' | 'lost';

export interface DevicePorts {
  readonly adb: number;
  readonly webrtc: number;
  readonly scrcpy: number;
}

export interface Device {
  readonly id: string;
  readonly userId: string;
  readonly name: string;
  /** Where it lives. */
  readonly host: string;
  /** Null before it has some, and when it has given them back. */
  readonly ports: DevicePorts | null;
  readonly state: DeviceState;
  /** Why it failed or was lost. */
  readonly reason: string | null;
  /** In a row. */
  readonly restarts: number;
  readonly createdAt: number;
  /** The participant whose allocation its ports are, and who looks after it. */
  readonly keeper: string | null;
}

interface DeviceRow {
  id: string;
  user_id: string;
  name: string;
  host: string;
  request_key: string | null;
  adb: number | null;
  webrtc: number | null;
  scrcpy: number | null;
  state: DeviceState;
  reason: string | null;
  restarts: number;
  created_at: number | string;
  keeper: string | null;
  /** Token of the allocation: a keeper that others took for dead writes nothing any more. */
  fence: number | string | null;
}

/** Who writes about a device: the allocation of its ports, and its token. */
export interface Claim {
  readonly id: string;
  readonly token: number;
}

const db = queries<{ devices: DeviceRow; device_platform: { id: string } }>();
const alive = ['creating', 'running'] as const;
const active = [...alive, 'deleting'] as const;
/** Rows of devices that are gone answer late retries of requests for so long. */
const goneMs = 24 * 3_600_000;

export type DeviceTable = ReturnType<typeof createDeviceTable>;

export function createDeviceTable(database: Database) {
  /** Writes about a device unless a later keeper has. @returns whether it did */
  async function write(claim: Claim, from: readonly DeviceState[], set: Partial<DeviceRow>): Promise<boolean> {
    const names = Object.keys(set) as (keyof DeviceRow)[];
    const values: (string | number | null)[] = [claim.id, claim.token, ...names.map((name) => set[name] ?? null)];
    const guard = guardRow({ parameter: 2 });
    const assignments = [guard.set, ...names.map((name, at) => `${name} = $${at + 3}`)].join(', ');
    const states = from.map((state) => `'${state}'`).join(', ');
    const text = `UPDATE devices SET ${assignments} WHERE id = $1 AND state IN (${states}) AND ${guard.where}`;
    return (await database.query(text, values)).rowCount === 1;
  }

  async function find(column: 'id' | 'request_key', value: string, userId?: string): Promise<Device | null> {
    let statement = db.selectFrom('devices').selectAll().where(column, '=', value);
    if (userId !== undefined) statement = statement.where('user_id', '=', userId);
    const { rows } = await run(database, statement);
    return rows[0] === undefined ? null : toDevice(rows[0]);
  }

  return {
    async create(): Promise<void> {
      await createTables(database, tables);
    },

    /** Of this database: hosts may have phones of other platforms, which are none of ours. Call it after `create`, one at a time. */
    async readPlatformId(): Promise<string> {
      const { rows } = await run(database, db.selectFrom('device_platform').selectAll());
      if (rows[0] !== undefined) return rows[0].id;
      const id = randomUUID().slice(0, 8);
      await run(database, db.insertInto('device_platform').values({ id }));
      return id;
    },

    /** A new device, or null when the user has one of that request key. */
    async insert(
      device: Pick<Device, 'id' | 'userId' | 'name' | 'host'>,
      requestKey: string | null,
    ): Promise<Device | null> {
      const { id, userId, name, host } = device;
      const row = { id, user_id: userId, name, host, request_key: requestKey, state: 'creating', restarts: 0 } as const;
      const { rows } = await run(
        database,
        db
          .insertInto('devices')
          .values({ ...row, created_at: Date.now() })
          .onConflict((conflict) => conflict.columns(['user_id', 'request_key']).doNothing())
          .returningAll(),
      );
      return rows[0] === undefined ? null : toDevice(rows[0]);
    },

    findById: (id: string) => find('id', id),
    findByRequest: (userId: string, requestKey: string) => find('request_key', requestKey, userId),

    /** Devices that are not gone, oldest first; `after` is the id of the last one of the page before. */
    async list({ userId, limit, after }: { userId?: string; limit: number; after?: string }): Promise<Device[]> {
      let statement = db
        .selectFrom('devices')
        .selectAll()
        .where('state', '!=', 'gone')
        .orderBy('created_at')
        .orderBy('id')
        .limit(limit);
      if (userId !== undefined) statement = statement.where('user_id', '=', userId);
      if (after !== undefined) {
        const last = db.selectFrom('devices').select('created_at').where('id', '=', after);
        statement = statement.where(sql<boolean>`(created_at, id) > (${last}, ${after})`);
      }
      return (await run(database, statement)).rows.map(toDevice);
    },

    /** What there is to do on a host. */
    async listOfHost(host: string): Promise<Device[]> {
      const statement = db.selectFrom('devices').selectAll().where('host', '=', host).where('state', 'in', active);
      return (await run(database, statement)).rows.map(toDevice);
    },

    /** Which of these devices are to have a process. */
    async filterActive(ids: readonly string[]): Promise<Set<string>> {
      if (ids.length === 0) return new Set();
      const statement = db.selectFrom('devices').select('id').where('id', 'in', ids).where('state', 'in', active);
      return new Set((await run(database, statement)).rows.map(({ id }) => id));
    },

    async listHosts(): Promise<string[]> {
      const statement = db.selectFrom('devices').select('host').distinct().where('state', 'in', active);
      return (await run(database, statement)).rows.map(({ host }) => host);
    },

    /** A device that is being made has got its ports. */
    givePorts: (claim: Claim, keeper: string, ports: DevicePorts) => write(claim, ['creating'], { keeper, ...ports }),
    /** From here on `keeper` looks after it, and nobody of an earlier token. */
    claim: (claim: Claim, keeper: string, ports: DevicePorts) => write(claim, active, { keeper, ...ports }),
    /** Whether it was claimed with a later token than this one. */
    async hasLaterKeeper({ id, token }: Claim): Promise<boolean> {
      const later = db.selectFrom('devices').select('id').where('id', '=', id).where('fence', '>', token);
      return (await run(database, later)).rows.length > 0;
    },
    markRunning: (claim: Claim) => write(claim, ['creating'], { state: 'running' }),
    countRestarts: (claim: Claim, restarts: number) => write(claim, alive, { restarts }),
    markFailed: (claim: Claim, reason: string) => write(claim, alive, { state: 'failed', reason, ...noPorts }),

    /** Its process has ended and its ports are given back, whoever did it. @returns whether it was to be deleted */
    async markGone(id: string): Promise<boolean> {
      const gone = db.updateTable('devices').set({ state: 'gone', ...noPorts });
      return (await run(database, gone.where('id', '=', id).where('state', '=', 'deleting'))).rowCount === 1;
    },

    /** Nothing of it was ever made, or all is undone, and a retry of the request may begin anew. */
    async withdraw(id: string): Promise<void> {
      await run(database, db.deleteFrom('devices').where('id', '=', id).where('state', '=', 'creating'));
    },

    /** What nobody looks after any more is gone at once. */
    async requestDeletion(id: string): Promise<void> {
      const gone = db.updateTable('devices').set({ state: 'gone', ...noPorts });
      await run(database, gone.where('id', '=', id).where('state', 'in', ['failed', 'lost']));
      const deleting = db.updateTable('devices').set({ state: 'deleting' });
      await run(database, deleting.where('id', '=', id).where('state', 'in', alive));
    },

    /** `check` runs in the same transaction, and its error keeps all as it was. */
    async markLost(host: string, reason: string, check: Parameters<Database['transaction']>[0]): Promise<number> {
      return database.transaction(async (tx) => {
        await check(tx);
        const gone = db.updateTable('devices').set({ state: 'gone', ...noPorts });
        await run(tx, gone.where('host', '=', host).where('state', '=', 'deleting'));
        const lost = db.updateTable('devices').set({ state: 'lost', reason, ...noPorts });
        return (await run(tx, lost.where('host', '=', host).where('state', 'in', alive))).rowCount;
      });
    },

    async forgetGone(): Promise<void> {
      const old = db
        .deleteFrom('devices')
        .where('state', '=', 'gone')
        .where('created_at', '<', Date.now() - goneMs);
      await run(database, old);
    },
  };
}

const tables = [
  `CREATE TABLE IF NOT EXISTS devices (
    id TEXT PRIMARY KEY, user_id TEXT NOT NULL, name TEXT NOT NULL, host TEXT NOT NULL, request_key TEXT,
    adb INTEGER, webrtc INTEGER, scrcpy INTEGER, state TEXT NOT NULL, reason TEXT, restarts INTEGER NOT NULL,
    created_at BIGINT NOT NULL, keeper TEXT, fence BIGINT)`,
  'CREATE UNIQUE INDEX IF NOT EXISTS devices_request ON devices (user_id, request_key)',
  'CREATE INDEX IF NOT EXISTS devices_host ON devices (host, state)',
  'CREATE INDEX IF NOT EXISTS devices_user ON devices (user_id, created_at, id)',
  'CREATE TABLE IF NOT EXISTS device_platform (id TEXT PRIMARY KEY)',
];

const noPorts = { adb: null, webrtc: null, scrcpy: null, keeper: null } as const;

function toDevice(row: DeviceRow): Device {
  const { id, name, host, adb, webrtc, scrcpy, state, reason, restarts, keeper } = row;
  const ports = adb === null || webrtc === null || scrcpy === null ? null : { adb, webrtc, scrcpy };
  return {
    ...{ id, userId: row.user_id, name, host, ports, state, reason, restarts, keeper },
    createdAt: Number(row.created_at),
  };
}
