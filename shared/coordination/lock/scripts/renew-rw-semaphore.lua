-- Prolongs a read or write lock or a permit for its holder; never makes one anew.
--
-- Input:
--   ARGV[1] prefix   ARGV[2] guard   ARGV[3] `rw:<name>` or `semaphore:<name>`   ARGV[4] holder
--   ARGV[5] time limit in ms
-- Output: 'renewed', or 'expired' when it does not hold one any more
-- Events: none
--@include "rw-semaphore-queue.lua"
dropEnded()
if not redis.call('ZSCORE', holdersKey, ARGV[4]) then
  return 'expired'
end
redis.call('ZADD', holdersKey, nowMs + tonumber(ARGV[5]), ARGV[4])
keepUntilLast()
return 'renewed'
