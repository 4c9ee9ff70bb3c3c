-- Gives a read or write lock or a permit back, or leaves the line for it, and serves who is next.
--
-- Input:
--   ARGV[1] prefix   ARGV[2] guard   ARGV[3] space: 'rw' or 'semaphore'   ARGV[4] name   ARGV[5] holder
-- Output: 1 if it held one, else 0
-- Events: the next holders on the channels of their participants
--@include "rw-semaphore-queue.lua"
dropEnded()
local held = redis.call('ZREM', holdersKey, ARGV[5])
redis.call('HDEL', infoKey, ARGV[5])
leaveLine(ARGV[5])
serveLine()
return held
