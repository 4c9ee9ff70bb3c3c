-- Takes a lock from the holder with this token, and serves who is next.
--
-- Input:
--   ARGV[1] prefix   ARGV[2] guard   ARGV[3] token   ARGV[4] name
-- Output: 1 if that token held it, else 0
-- Events: the next holder on the channel of its participant
--@include "lock-queue.lua"
local value = redis.call('GET', lockKey(ARGV[4]))
if not value or string.match(value, '^%S+ (%d+)') ~= ARGV[3] then
  return 0
end
redis.call('DEL', lockKey(ARGV[4]))
handOn({ ARGV[4] })
return 1
