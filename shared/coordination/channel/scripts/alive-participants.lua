-- Lists the participants that count as alive.
--
-- Input: KEYS[1] participants
-- Output: {participant, …}
-- Events: none
local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', nowMs), '+inf')
