-- Included. The server's clock: `nowMs` and `nowMicros`.
--
-- Input: none
-- Output: none
-- Events: none
local time = redis.call('TIME')
local nowMicros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local nowMs = math.floor(nowMicros / 1000)
