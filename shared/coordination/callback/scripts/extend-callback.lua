-- Gives the attempt that processes a callback more time; never makes a record anew.
--
-- Input:
--   KEYS[1] record
--   ARGV[1] token   ARGV[2] time to process in ms, from now
-- Output: 'renewed', 'expired' (the record is gone) or 'taken' (another attempt, or a result, is there)
-- Events: none
local stored = redis.call('HMGET', KEYS[1], 'state', 'token')
if not stored[1] then
  return 'expired'
end
if stored[1] ~= 'in-progress' or stored[2] ~= ARGV[1] then
  return 'taken'
end
local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('HSET', KEYS[1], 'deadlineAt', string.format('%.0f', nowMs + tonumber(ARGV[2])))
return 'renewed'
