import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Redis } from 'ioredis';

export type ScriptArgument = string | number | Buffer;

/** The shape of one script: labelled tuples say what each key and argument is. `reply` is what the script returns, as decoded. */
export interface ScriptShape {
  keys: readonly string[];
  args: readonly ScriptArgument[];
  reply: unknown;
}

export interface ScriptDefinition<S extends ScriptShape> {
  /** verb-noun, as the file's name. */
  readonly name: string;
  readonly file: URL;
  readonly numberOfKeys: S['keys']['length'];
}

export interface Script<S extends ScriptShape> {
  readonly name: string;
  readonly sha1: string;
  /** The whole text sent to Redis, includes resolved. */
  readonly source: string;
  /**
   * Runs the script atomically. Rejects with the client's error when Redis cannot be reached, in which case it is not
   * known whether the script ran: a script whose caller may retry must be idempotent.
   */
  run(redis: Pick<Redis, 'evalsha' | 'eval'>, keys: S['keys'], args: S['args']): Promise<S['reply']>;
}

/**
 * Loads a Lua script from its file, once, and returns a typed way to run it. A line `--@include "x.lua"` is replaced by
 * that file (relative to the including one), the first time only. Throws when a file is missing.
 *
 * ```ts
 * const renewLease = defineScript<{ keys: [lease: string]; args: [token: string, ttlMs: number]; reply: 0 | 1 }>({
 *   name: 'renew-lease',
 *   file: new URL('./scripts/renew-lease.lua', import.meta.url),
 *   numberOfKeys: 1,
 * });
 * const renewed = await renewLease.run(redis, [key], [token, 3000]);
 * ```
 */
export function defineScript<S extends ScriptShape>(definition: ScriptDefinition<S>): Script<S> {
  const { name, file, numberOfKeys } = definition;
  const source = resolveIncludes(file, new Set());
  const sha1 = createHash('sha1').update(source).digest('hex');
  return {
    name,
    sha1,
    source,
    run(redis, keys, args) {
      if (keys.length !== numberOfKeys) {
        return Promise.reject(new TypeError(`Script ${name} takes ${numberOfKeys} keys, got ${keys.length}`));
      }
      const running = redis.evalsha(sha1, numberOfKeys, ...keys, ...args) as Promise<S['reply']>;
      return running.catch((error: unknown) => {
        if (!isUnknownToServer(error)) throw error;
        return redis.eval(source, numberOfKeys, ...keys, ...args) as Promise<S['reply']>;
      });
    },
  };
}

const includeLine = /^--@include "([^"]+)"[ \t]*$/gm;

function resolveIncludes(file: URL, included: Set<string>): string {
  included.add(file.href);
  return readFileSync(fileURLToPath(file), 'utf8').replace(includeLine, (_line, relativePath: string) => {
    const snippet = new URL(relativePath, file);
    return included.has(snippet.href) ? '' : resolveIncludes(snippet, included);
  });
}

/** A server forgets its scripts when it restarts or fails over; EVAL sends the text and teaches it again. */
function isUnknownToServer(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}
