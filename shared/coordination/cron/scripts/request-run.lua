-- Asks for a run now, on whichever instance takes it.
--
-- Input:
--   KEYS[1] job   KEYS[2] requests
--   ARGV[1] wake channel   ARGV[2] the job's name   ARGV[3] how many requests may wait
-- Output:
--   {'asked', instant}   the run's nominal instant in ms, unlike that of any other run asked for
--   {'full', 0}          too many wait already
--   {'unknown', 0}       there is no such job
-- Events: the job's name on the wake channel
--@include "server-time.lua"
local job, requests = KEYS[1], KEYS[2]
local definition, lastAsked = unpack(redis.call('HMGET', job, 'definition', 'lastAsked'))
if not definition then
  return { 'unknown', 0 }
end
if redis.call('LLEN', requests) >= tonumber(ARGV[3]) then
  return { 'full', 0 }
end
local instant = whole(math.max(nowMs, tonumber(lastAsked or '0') + 1))
redis.call('HSET', job, 'lastAsked', instant)
redis.call('RPUSH', requests, instant)
redis.call('PUBLISH', ARGV[1], ARGV[2])
return { 'asked', instant }
