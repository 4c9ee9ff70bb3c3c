-- Prolongs a read or write lock or a permit for its holder; never makes one anew.
--
-- Input:
--   ARGV[1] prefix   ARGV[2] guard   ARGV[3] space: 'rw' or 'semaphore'   ARGV[4] name   ARGV[5] holder
--   ARGV[6] time limit in ms
-- Output: {'renewed'}, or {'expired'} when it does not hold one any more
-- Events: none
--@include "rw-semaphore-queue.lua"
dropEnded()
if not redis.call('ZSCORE', holdersKey, ARGV[5]) then
  return { 'expired' }
end
redis.call('ZADD', holdersKey, nowMs + math.ceil(tonumber(ARGV[6])), ARGV[5])
keepUntilLast()
return { 'renewed' }
