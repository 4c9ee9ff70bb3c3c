import type { Expectation } from './commit.ts';
import type { StoreContext } from './store-context.ts';

/** A document as it is stored, and the expectation that it has not changed since. */
export interface StoredDocument<T> {
  readonly value: T | null;
  readonly expectation: Expectation;
}

/** Reads a JSON document out of a hash. */
export async function readDocument<T>(context: StoreContext, key: string, field: string): Promise<StoredDocument<T>> {
  const text = await context.ask(`read ${key}`, (redis) => redis.hget(key, field));
  return { value: text === null ? null : (JSON.parse(text) as T), expectation: { key, field, text } };
}
