-- Reads all about the ports of one host, at one instant.
--
-- Input:
--   KEYS[1] pools   KEYS[2] participants   KEYS[3] allocations   KEYS[4] rest, to be followed by a pool   KEYS[5] foreign, likewise
-- Output: {now in ms, {pool, range, resting, {port, until, …} not yet reusable, {port, until, …} foreign}…,
--   {participant, until, …}, {id, record, …}}
-- Events: none
--@include "server-time.lua"
local known = redis.call('HGETALL', KEYS[1])
local views = {}
for i = 1, #known, 2 do
  local pool = known[i]
  views[#views + 1] = {
    pool, known[i + 1], redis.call('ZCARD', KEYS[4] .. pool),
    redis.call('ZRANGEBYSCORE', KEYS[4] .. pool, '(' .. nowMs, '+inf', 'WITHSCORES'),
    redis.call('ZRANGEBYSCORE', KEYS[5] .. pool, '(' .. nowMs, '+inf', 'WITHSCORES'),
  }
end
return {
  nowMs, views, redis.call('ZRANGE', KEYS[2], 0, -1, 'WITHSCORES'), redis.call('HGETALL', KEYS[3]),
}
