-- Claims one tick of a job, for one run at most ever, where nothing stands in the way. What all instances do at each tick:
-- three calls, and no more arguments than that needs.
--
-- Input:
--   KEYS[1] job
--   ARGV[1] tick, the nominal instant in ms
--   ARGV[2] token of this try, the same again when an earlier try had no answer
--   ARGV[3] definition that the caller follows
--   ARGV[4] time in ms for which the run is believed in without a heartbeat
--   ARGV[5] how early in ms a tick may be claimed
--   ARGV[6] about: the run as JSON, for people
-- Output:
--   {'claimed', epoch, now}    the token has the run, since now or since an earlier try; now is the server's time in ms
--   {'early', ms, now}         not due yet, for so long
--   {'taken', lastTick, now}   the tick, or a later one, was claimed, skipped or given up before
--   {'unsettled', 0, now}      nothing has changed: settle-tick.lua has the answer
-- Events: none
local job, tick, token = KEYS[1], tonumber(ARGV[1]), ARGV[2]
local record = redis.call('HMGET', job, 'lastTick', 'epoch', 'token', 'paused', 'definition')
local time = redis.call('TIME')
local nowMs = time[1] * 1000 + math.floor(time[2] / 1000)
local now = string.format('%.0f', nowMs)

local last, owner = record[1], record[3]
if owner == token or not last or record[5] ~= ARGV[3] or record[4] == '1' then
  return { 'unsettled', 0, now }
end
if tick <= tonumber(last) then
  return { 'taken', last, now }
end
if tick > nowMs + ARGV[5] then
  return { 'early', tick - nowMs, now }
end
if owner and owner ~= '' then
  return { 'unsettled', 0, now }
end

-- The clock keeps epochs rising even when the counter was lost.
local epoch = string.format('%.0f', math.max((record[2] or 0) + 1, time[1] * 1000000 + time[2]))
redis.call('HSET', job, 'lastTick', ARGV[1], 'epoch', epoch, 'token', token,
  'deadline', string.format('%.0f', nowMs + ARGV[4]), 'about', ARGV[6])
return { 'claimed', epoch, now }
