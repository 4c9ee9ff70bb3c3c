import { randomUUID } from 'node:crypto';

import { DroverError } from '../../contracts/drover-error.ts';
import { type Clock, systemClock } from '../../runtime/clock.ts';
import { checkTableName, createIfMissing, type SqlDatabase, type SqlDialect, type SqlExecutor } from '../sql.ts';

/** What is to be told to the outside because of something in the database. */
export interface OutboxEntry {
  readonly topic: string;
  /** Messages of one topic and key are sent in the order in which they were written: an order id. */
  readonly key: string;
  readonly payload: string;
}

export interface OutboxMessage extends OutboxEntry {
  readonly id: number;
  /** The same in each try: pass it to the receiver, who may be told twice. */
  readonly idempotencyKey: string;
  /** 1 for the first try. */
  readonly attempt: number;
}

export interface DeadMessage extends OutboxMessage {
  readonly lastError: string;
}

/** A table of messages that leave only if the transaction that wrote them has committed. */
export interface Outbox {
  /** Creates table and index where they are not there. */
  create(): Promise<void>;
  /** Writes a message with what causes it, in one transaction; answers its idempotency key. @throws DroverError ARGUMENT_INVALID */
  enqueue(tx: SqlExecutor, entry: OutboxEntry): Promise<string>;
  /** The oldest message of each topic and key, where its next try is due. */
  due(limit: number): Promise<readonly OutboxMessage[]>;
  /** It was sent: it is forgotten. */
  remove(id: number): Promise<void>;
  /** It was not sent: it is due again after `delayMs`, or, with `undefined`, it is dead, and those behind it go on. */
  putOff(id: number, error: string, delayMs: number | undefined): Promise<void>;
  /** Messages that were given up, the oldest first. */
  dead(limit: number): Promise<readonly DeadMessage[]>;
  /** Has a dead message sent after all, once those of its key that wait have been sent or behind them. Answers whether it was dead. */
  revive(id: number): Promise<boolean>;
}

export interface OutboxOptions {
  readonly database: SqlDatabase;
  /** Default `drover_outbox`. */
  readonly table?: string;
  readonly clock?: Clock;
}

/** A row that is larger belongs elsewhere, with its address in the message. */
const maxPayloadBytes = 1024 * 1024;
/** The ends of error messages say little. */
const maxErrorLength = 500;

const idColumn: Record<SqlDialect, string> = {
  postgres: 'BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY',
  sqlite: 'INTEGER PRIMARY KEY AUTOINCREMENT',
};

/**
 * An outbox in PostgreSQL or SQLite. The order of a key is that of the ids: transactions that write messages of one key must
 * not run side by side, which a row lock on what the key names already sees to.
 */
export function createOutbox(options: OutboxOptions): Outbox {
  const { database, clock = systemClock } = options;
  const table = checkTableName(options.table ?? 'drover_outbox');
  const columns = 'id, topic, message_key, payload, idempotency_key, attempts, last_error';

  return {
    async create() {
      await createIfMissing(
        database,
        table,
        `CREATE TABLE IF NOT EXISTS ${table} (
        id ${idColumn[database.dialect]}, topic TEXT NOT NULL, message_key TEXT NOT NULL, payload TEXT NOT NULL,
        idempotency_key TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL, due_at BIGINT NOT NULL, last_error TEXT)`,
      );
      const index = `${table.slice(table.indexOf('.') + 1)}_order`;
      await createIfMissing(
        database,
        `${table}_order`,
        `CREATE INDEX IF NOT EXISTS ${index} ON ${table} (state, topic, message_key, id)`,
      );
    },
    async enqueue(tx, { topic, key, payload }) {
      if (topic === '' || key === '' || Buffer.byteLength(payload) > maxPayloadBytes) {
        const issues = [
          { path: 'entry', reason: 'needs topic, key and a payload', allowed: `${maxPayloadBytes} bytes` },
        ];
        throw new DroverError('ARGUMENT_INVALID', 'The message cannot be put into the outbox.', { issues });
      }
      const idempotencyKey = randomUUID();
      await tx.query(
        `INSERT INTO ${table} (topic, message_key, payload, idempotency_key, state, attempts, due_at)
          VALUES ($1, $2, $3, $4, 'waiting', 0, 0)`,
        [topic, key, payload, idempotencyKey],
      );
      return idempotencyKey;
    },
    async due(limit) {
      const { rows } = await database.query(
        `SELECT ${columns} FROM ${table} AS message WHERE state = 'waiting' AND due_at <= $1 AND NOT EXISTS (
          SELECT 1 FROM ${table} AS earlier WHERE earlier.state = 'waiting' AND earlier.topic = message.topic
            AND earlier.message_key = message.message_key AND earlier.id < message.id) ORDER BY id LIMIT $2`,
        [Math.floor(clock.nowMs()), limit],
      );
      return rows.map(toMessage);
    },
    async remove(id) {
      await database.query(`DELETE FROM ${table} WHERE id = $1`, [id]);
    },
    async putOff(id, error, delayMs) {
      const dueAt = Math.floor(clock.nowMs() + (delayMs ?? 0));
      await database.query(
        `UPDATE ${table} SET attempts = attempts + 1, state = $2, due_at = $3, last_error = $4 WHERE id = $1`,
        [id, delayMs === undefined ? 'dead' : 'waiting', dueAt, error.slice(0, maxErrorLength)],
      );
    },
    async dead(limit) {
      const text = `SELECT ${columns} FROM ${table} WHERE state = 'dead' ORDER BY id LIMIT $1`;
      const { rows } = await database.query(text, [limit]);
      return rows.map((row) => {
        const message = toMessage(row);
        return { ...message, attempt: message.attempt - 1, lastError: String(row.last_error ?? '') };
      });
    },
    async revive(id) {
      const text = `UPDATE ${table} SET state = 'waiting', attempts = 0, due_at = 0 WHERE id = $1 AND state = 'dead'`;
      return (await database.query(text, [id])).rowCount === 1;
    },
  };
}

function toMessage(row: Readonly<Record<string, unknown>>): OutboxMessage {
  return {
    id: Number(row.id),
    topic: String(row.topic),
    key: String(row.message_key),
    payload: String(row.payload),
    idempotencyKey: String(row.idempotency_key),
    attempt: Number(row.attempts) + 1,
  };
}
