-- Takes a participant out of the list, when its time is over and it has no connections left.
--
-- Input:
--   KEYS[1] participants   KEYS[2] presences of the participant
--   ARGV[1] participant
-- Output: 1 if it is forgotten, else 0
-- Events: none
local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '0') > nowMs or redis.call('EXISTS', KEYS[2]) == 1 then
  return 0
end
redis.call('ZREM', KEYS[1], ARGV[1])
return 1
