-- Input: nothing
-- Output: time as the server tells it, nowMs in ms of its clock
-- Events: none
local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local function whole(number)
  return string.format('%.0f', number)
end
