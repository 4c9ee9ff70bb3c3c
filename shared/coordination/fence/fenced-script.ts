import type { Redis } from 'ioredis';

import type { ScriptArgument } from '../../redis/script.ts';
import { checkFenceToken, type FenceToken, fenceStale } from './fence-token.ts';

export interface FencedScript {
  /**
   * Runs the text while the lock's key holds the token, in the same script: between check and effect there is nothing.
   * `lockKey` is the key of the lock in this Redis (`lockKeys(prefix).lock(name)`).
   * @throws DroverError FENCE_STALE when the lock has ended or another holds it; nothing was done then
   */
  runHeld(redis: Redis, fence: FenceToken & { readonly lockKey: string }, input: ScriptInput): Promise<unknown>;
  /**
   * Runs the text unless a higher token was seen at `fenceKey`, which is the resource's own and stays for as long as the
   * resource: for a resource in another Redis than the lock. A later holder is known from its first write on.
   * @throws DroverError FENCE_STALE; nothing was done then
   */
  runHighest(redis: Redis, fence: FenceToken & { readonly fenceKey: string }, input: ScriptInput): Promise<unknown>;
}

export interface ScriptInput {
  readonly keys?: readonly string[];
  readonly args?: readonly ScriptArgument[];
}

/** Cut off before the text sees them, which has its own KEYS and ARGV from 1 as if there were no fence. */
const shift = `
local function rest(list)
  local found = {}
  for i = 2, #list do found[i - 1] = list[i] end
  return found
end
return (function(KEYS, ARGV)
`;
const call = '\nend)(rest(KEYS), rest(ARGV))';

/** The value of a lock's key begins with `<holder> <token> `. */
const whileHeld = `
local value = redis.call('GET', KEYS[1])
if not value or string.match(value, '^%S+ (%d+)') ~= ARGV[1] then
  return redis.error_reply('FENCESTALE')
end`;
const whileHighest = `
local seen = redis.call('GET', KEYS[1]) or '0'
if tonumber(ARGV[1]) < tonumber(seen) then
  return redis.error_reply('FENCESTALE ' .. seen)
end
redis.call('SET', KEYS[1], ARGV[1])`;

/** The user's Lua, behind a fence. The text is code of the program, never input. */
export function fencedScript(lua: string): FencedScript {
  async function run(guard: string, redis: Redis, fence: FenceToken, key: string, input: ScriptInput) {
    checkFenceToken(fence);
    const keys = [key, ...(input.keys ?? [])];
    try {
      return await redis.eval(guard + shift + lua + call, keys.length, ...keys, fence.token, ...(input.args ?? []));
    } catch (error) {
      const stale = /FENCESTALE ?(\d+)?/.exec(error instanceof Error ? error.message : '');
      if (stale === null) throw error;
      throw fenceStale(fence, stale[1] === undefined ? undefined : Number(stale[1]));
    }
  }
  return {
    runHeld: (redis, fence, input) => run(whileHeld, redis, fence, fence.lockKey, input),
    runHighest: (redis, fence, input) => run(whileHighest, redis, fence, fence.fenceKey, input),
  };
}
