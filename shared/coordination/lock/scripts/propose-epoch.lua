-- The lowest epoch that this master would accept.
--
-- Input:
--   KEYS[1] epoch
-- Output: the epoch, as a string
-- Events: none
local time = redis.call('TIME')
local nowMicros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local last = tonumber(redis.call('GET', KEYS[1]) or '0')
return string.format('%.0f', math.max(last + 1, nowMicros))
