/** Read-write locks and semaphores as Redis saw them, read from the order of its own effects. */
export interface SharedView {
  readonly grants: readonly { readonly key: string; readonly epoch: number }[];
  /** Grants beside others that left no room for them. */
  readonly overlaps: readonly string[];
  /** Grants while somebody waited who had come before. */
  readonly overtakings: readonly string[];
}

interface Space {
  /** Holder → what it has; unknown between the two commands of a grant. */
  readonly holders: Map<string, string | undefined>;
  /** Waiter → ticket. */
  readonly line: Map<string, number>;
  /** Of all that ever waited. */
  readonly tickets: Map<string, number>;
}

/**
 * Follows `<prefix>:rw:<name>` and `<prefix>:semaphore:<name>` with their info and their line through the commands of an
 * append-only file. A holder that has ended is removed there before anybody is granted, so whoever is left counts.
 */
export function viewShared(commands: readonly (readonly string[])[], prefix: string, permits: number): SharedView {
  const grants: { key: string; epoch: number }[] = [];
  const overlaps: string[] = [];
  const overtakings: string[] = [];
  const spaces = new Map<string, Space>();

  for (const [verb = '', redisKey = '', ...rest] of commands) {
    const command = verb.toUpperCase();
    if (command === 'FLUSHALL' || command === 'FLUSHDB') spaces.clear();
    if (command === 'DEL' || command === 'UNLINK') {
      for (const name of [redisKey, ...rest]) {
        const gone = partOf(name);
        if (gone !== null) gone.space[gone.part === 'queue' ? 'line' : 'holders'].clear();
      }
      continue;
    }
    const found = partOf(redisKey);
    if (found === null) continue;
    const { key, space, part } = found;
    if (command === 'ZADD' && part === 'queue') {
      const [ticket, waiter] = [Number(rest[0]), rest[1]!];
      space.line.set(waiter, ticket);
      space.tickets.set(waiter, ticket);
    } else if (command === 'ZADD') {
      const holder = rest.at(-1)!;
      if (!space.holders.has(holder)) space.holders.set(holder, undefined);
    } else if (command === 'ZREM') {
      for (const one of rest) space[part === 'queue' ? 'line' : 'holders'].delete(one);
    } else if (command === 'HSET') {
      grant(key, space, rest[0]!, rest[1]!);
    }
  }
  return { grants, overlaps, overtakings };

  function partOf(redisKey: string): { key: string; space: Space; part: string } | null {
    if (!redisKey.startsWith(`${prefix}:`)) return null;
    const parts = /^(rw|semaphore)(?:-(info|queue))?:(.+)$/s.exec(redisKey.slice(prefix.length + 1));
    if (parts === null) return null;
    const [, kind, part = 'holders', name] = parts;
    // What a key loses with its info it loses with its holders, which end at the same instant.
    const key = `${kind} ${name}`;
    let space = spaces.get(key);
    if (space === undefined) {
      space = { holders: new Map(), line: new Map(), tickets: new Map() };
      spaces.set(key, space);
    }
    return { key, space, part };
  }

  function grant(key: string, { holders, line, tickets }: Space, holder: string, info: string): void {
    const [share = '', epoch] = info.split(' ');
    holders.set(holder, share);
    grants.push({ key, epoch: Number(epoch) });
    const present = [...holders.values()];
    const isRight = share === 'semaphore' ? present.length <= permits : isReadOrAlone(present);
    if (!isRight) overlaps.push(`${key}: ${share} granted, so that there were ${present.join(', ')}`);
    const own = tickets.get(holder) ?? Number.POSITIVE_INFINITY;
    const before = [...line].find(([, ticket]) => ticket < own);
    if (before !== undefined) overtakings.push(`${key}: ${holder} was served before ${before[0]}`);
  }
}

function isReadOrAlone(present: readonly (string | undefined)[]): boolean {
  return present.length === 1 || present.every((share) => share === 'read');
}
