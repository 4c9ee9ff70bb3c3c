import { DroverError } from '../../contracts/drover-error.ts';

const minTtlMs = 100;
/** Who holds a lock for longer wants a row in a database. */
const maxTtlMs = 24 * 3_600_000;
const maxNameLength = 200;
/** One script looks at all of them; more would hold up everyone else in Redis. */
const maxNames = 32;

/** A character that would make two names one key, or a key unreadable. */
const strange = /[\s\p{Cc}]/u;

/** Names sorted and each once. @throws DroverError ARGUMENT_INVALID */
export function checkNames(name: string | readonly string[]): readonly string[] {
  if (typeof name === 'string') return [checkName(name)];
  const names = [...new Set(name)].sort();
  if (names.length === 0 || names.length > maxNames) throw invalid('name', 'is no list of names', `1 to ${maxNames}`);
  for (const one of names) checkName(one);
  return names;
}

/** @throws DroverError ARGUMENT_INVALID */
export function checkName(name: string): string {
  const isText = typeof name === 'string' && name.length > 0 && name.length <= maxNameLength;
  // Halves of characters all become the same bytes.
  if (isText && !strange.test(name) && name.isWellFormed()) return name;
  const allowed = `1 to ${maxNameLength} characters of well-formed text without spaces or control characters`;
  throw invalid('name', 'is no name', allowed);
}

/** @throws DroverError ARGUMENT_INVALID */
export function checkTimes({ ttlMs, waitMs, lockDelayMs }: Record<'ttlMs' | 'waitMs' | 'lockDelayMs', number>): void {
  if (!(ttlMs >= minTtlMs && ttlMs <= maxTtlMs)) throw invalid('ttlMs', 'is no ttl', `${minTtlMs} to ${maxTtlMs}`);
  if (!(waitMs >= 0 && waitMs <= maxTtlMs)) throw invalid('waitMs', 'is no length of time', `0 to ${maxTtlMs}`);
  if (lockDelayMs >= 0 && lockDelayMs <= maxTtlMs) return;
  throw invalid('lockDelayMs', 'is no length of time', `0 to ${maxTtlMs}`);
}

export function invalid(path: string, reason: string, allowed: string): DroverError {
  return new DroverError(
    'ARGUMENT_INVALID',
    `The lock cannot be asked for: ${path} ${reason}; allowed is ${allowed}.`,
    {
      issues: [{ path, reason, allowed }],
    },
  );
}
