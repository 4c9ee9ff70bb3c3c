-- Input: time, nowMs and whole of server-time.lua
-- Output:
--   endRun(history, epoch, outcome, reason, since, about)   records a run that its host did not end
--   sinceOf(epoch)   when that run was claimed, in ms: epochs are microseconds, or just above where a counter ran ahead
--   nextEpoch(last)   above every earlier one; the clock keeps epochs rising even when the counter was lost
-- Events: none
local function endRun(history, epoch, outcome, reason, since, about)
  local record = '{"epoch":"' .. epoch .. '","outcome":"' .. outcome .. '","error":"' .. reason .. '","startedAtMs":' .. since
    .. ',"endedAtMs":' .. whole(nowMs) .. ',"run":' .. about .. '}'
  redis.call('LPUSH', history, record)
  redis.call('LTRIM', history, 0, 99)
end

local function sinceOf(epoch)
  return whole(math.min(nowMs, math.floor(tonumber(epoch) / 1000)))
end

local function nextEpoch(last)
  return whole(math.max(tonumber(last or '0') + 1, tonumber(time[1]) * 1000000 + tonumber(time[2])))
end
