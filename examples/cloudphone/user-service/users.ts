import { randomUUID } from 'node:crypto';
import { createTables, type Database, queries, run } from '../shared/database.ts';

interface Tables {
  users: { id: string; username: string; password_hash: string; created_at: number };
}

export interface User {
  readonly id: string;
  readonly username: string;
  readonly passwordHash: string;
}

export interface Users {
  /** Makes the table unless it is there. Several instances may do so at once. */
  createTable(): Promise<void>;
  /** The new user, or null when the name is taken. */
  add(username: string, passwordHash: string): Promise<User | null>;
  find(by: { readonly id: string } | { readonly username: string }): Promise<User | null>;
}

const table = `CREATE TABLE IF NOT EXISTS users (
  id TEXT PRIMARY KEY, username TEXT NOT NULL UNIQUE, password_hash TEXT NOT NULL, created_at BIGINT NOT NULL)`;

export function createUsers(database: Database): Users {
  const sql = queries<Tables>();
  return {
    createTable: () => createTables(database, [table]),
    async add(username, passwordHash) {
      const id = randomUUID();
      const row = { id, username, password_hash: passwordHash, created_at: Date.now() };
      // The name is unique in the database: of two instances that register it at once, one inserts nothing.
      const insert = sql
        .insertInto('users')
        .values(row)
        .onConflict((conflict) => conflict.column('username').doNothing());
      const { rowCount } = await run(database, insert);
      return rowCount === 0 ? null : { id, username, passwordHash };
    },
    async find(by) {
      const select = sql.selectFrom('users').select(['id', 'username', 'password_hash']);
      const found = 'id' in by ? select.where('id', '=', by.id) : select.where('username', '=', by.username);
      const row = (await run(database, found)).rows[0];
      return row === undefined ? null : { id: row.id, username: row.username, passwordHash: row.password_hash };
    },
  };
}
