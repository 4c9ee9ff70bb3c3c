import { setTimeout as sleep } from 'node:timers/promises';
import type { Drover } from 'drover';
import { Refusal } from '../shared/refusal.ts';
import { whileRedisAnswers } from './while-redis-answers.ts';

export interface Login {
  readonly username: string;
  readonly address: string;
}

export interface LoginLimit {
  /**
   * Counts an attempt before its password is looked at, so that many guesses at once are no way around the limit. Right
   * passwords are counted too while they are looked at: where there is no room this waits a moment for them to be forgiven.
   * @throws Refusal 429, 503
   */
  count(login: Login): Promise<void>;
  /** It was the right password: it does not count, nor do the user's failures before it. @throws Refusal 503 */
  forgive(login: Login): Promise<void>;
}

export interface LoginLimitOptions {
  readonly drover: Drover;
  /** Failures for one user within the window. */
  readonly failures: number;
  readonly windowMs: number;
}

/** Many users may share an address, as in an office. */
const failuresPerAddress = 10;
/** Longer than it takes to look at the passwords of a burst. */
const roomTimeoutMs = 3000;
/** Between two looks for room, on average. */
const lookMs = 150;
/** Logins that wait in an instance: in a flood of guesses the rest is refused at once. */
const maxWaiting = 200;

/**
 * Counts in all counters, or in none when one of them is full: then it answers how many ms that lasts, else 0.
 * KEYS counters  ARGV[1] window in ms  ARGV[2…] the most for each
 */
const countAttempt = `
for i, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or 0) >= tonumber(ARGV[i + 1]) then return math.max(1, redis.call('PTTL', key)) end
end
for _, key in ipairs(KEYS) do
  if redis.call('INCR', key) == 1 then redis.call('PEXPIRE', key, ARGV[1]) end
end
return 0`;

/** KEYS[1] counter of the user  KEYS[2] counter of the address */
const forgiveAttempt = `
redis.call('DEL', KEYS[1])
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('DECR', KEYS[2]) end
return 1`;

/** Limits failed logins of one user, and from one address, over all instances: counted where all of them look. */
export function createLoginLimit({ drover, failures, windowMs }: LoginLimitOptions): LoginLimit {
  const { redis, prefix } = drover.coordination;
  const counters = ({ username, address }: Login) => [
    `${prefix}:users:logins:user:${username}`,
    `${prefix}:users:logins:address:${address}`,
  ];
  const limits = [failures, failures * failuresPerAddress];
  const countNow = async (login: Login) =>
    Number(await whileRedisAnswers(redis.eval(countAttempt, 2, ...counters(login), windowMs, ...limits)));
  let waiting = 0;

  async function countWhenRoom(login: Login): Promise<number> {
    let fullMs = await countNow(login);
    if (fullMs === 0 || waiting >= maxWaiting) return fullMs;
    waiting += 1;
    const giveUpAtMs = performance.now() + roomTimeoutMs;
    try {
      while (fullMs > 0 && performance.now() < giveUpAtMs) {
        // Each at a moment of its own: of those that look together only a few find room.
        await sleep(lookMs * (0.5 + Math.random()));
        fullMs = await countNow(login);
      }
    } finally {
      waiting -= 1;
    }
    return fullMs;
  }

  return {
    async count(login) {
      const fullMs = await countWhenRoom(login);
      if (fullMs === 0) return;
      throw new Refusal(429, 'TOO_MANY_LOGINS', 'Too many failed logins. Try again later.', {
        retryAfterSeconds: Math.ceil(fullMs / 1000),
      });
    },
    async forgive(login) {
      await whileRedisAnswers(redis.eval(forgiveAttempt, 2, ...counters(login)));
    },
  };
}
