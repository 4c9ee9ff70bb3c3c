import type { Drover } from 'drover';
import { Refusal } from '../shared/refusal.ts';
import { whileRedisAnswers } from './while-redis-answers.ts';

export interface Login {
  readonly username: string;
  readonly address: string;
}

export interface LoginLimit {
  /** Counts an attempt before its password is looked at. @throws Refusal 429, 503 */
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
  return {
    async count(login) {
      const limits = [failures, failures * failuresPerAddress];
      const waitMs = await whileRedisAnswers(redis.eval(countAttempt, 2, ...counters(login), windowMs, ...limits));
      if (waitMs === 0) return;
      throw new Refusal(429, 'TOO_MANY_LOGINS', 'Too many failed logins. Try again later.', {
        retryAfterSeconds: Math.ceil(Number(waitMs) / 1000),
      });
    },
    async forgive(login) {
      await whileRedisAnswers(redis.eval(forgiveAttempt, 2, ...counters(login)));
    },
  };
}
