-- Pauses or resumes a job for all instances.
--
-- Input:
--   KEYS[1] job
--   ARGV[1] '1' to pause, '0' to resume   ARGV[2] wake channel   ARGV[3] the job's name
-- Output:
--   1 done, or so already;  0 there is no such job
-- Events: the job's name on the wake channel
--@include "server-time.lua"
local job = KEYS[1]
local definition, paused, last = unpack(redis.call('HMGET', job, 'definition', 'paused', 'lastTick'))
if not definition then
  return 0
end
if ARGV[1] == '1' then
  redis.call('HSET', job, 'paused', '1')
elseif paused == '1' then
  -- Ticks of the pause are not made up for.
  redis.call('HSET', job, 'paused', '0', 'lastTick', whole(math.max(tonumber(last or '0'), nowMs)))
end
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
