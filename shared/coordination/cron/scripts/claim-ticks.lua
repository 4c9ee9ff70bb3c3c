-- Claims one tick of each of some jobs, for one run at most ever, where nothing stands in the way. What all instances do at
-- each tick, for all jobs that are due together: few calls, and no more arguments than that needs. Each job is apart
-- from the others.
--
-- Input:
--   ARGV[1] how early in ms a tick may be claimed, then six for each job:
--     its key
--     tick, the nominal instant in ms
--     token of this try, the same again when an earlier try had no answer
--     definition that the caller follows
--     time in ms for which the run is believed in without a heartbeat
--     about: the run as JSON, for people
-- Output: {now, outcome, value, outcome, value, …}: the server's time in ms, then two for each job in the order of the input
--   'claimed', epoch      the token has the run, since now
--   'early', ms           not due yet, for so long
--   'taken', lastTick     the tick, or a later one, was claimed, skipped or given up before
--   'unsettled', ''       nothing has changed: settle-tick.lua has the answer
-- Events: none
local call, argv, tonumber = redis.call, ARGV, tonumber
local time = call('TIME')
local nowMs = time[1] * 1000 + math.floor(time[2] / 1000)
local latestMs = nowMs + argv[1]
local function whole(number)
  return string.format('%.0f', number)
end
-- Formatted once: each costs as much as a call.
local nowUs = time[1] * 1000000 + time[2]
local clockEpoch, deadlines = whole(nowUs), {}

local reply, length = { whole(nowMs) }, 1
for at = 2, #argv, 6 do
  local job, tick, token, ttlMs = argv[at], argv[at + 1], argv[at + 2], argv[at + 4]
  local record = call('HMGET', job, 'lastTick', 'epoch', 'token', 'paused', 'definition')
  local last, owner = record[1], record[3]
  local outcome, value = 'unsettled', ''
  if last and owner ~= token and record[5] == argv[at + 3] and record[4] ~= '1' then
    local tickMs = tonumber(tick)
    if tickMs <= tonumber(last) then
      outcome, value = 'taken', last
    elseif tickMs > latestMs then
      outcome, value = 'early', whole(tickMs - nowMs)
    elseif not owner or owner == '' then
      -- The clock keeps epochs rising even when the counter was lost.
      local epoch = tonumber(record[2] or 0)
      outcome, value = 'claimed', epoch < nowUs and clockEpoch or whole(epoch + 1)
      deadlines[ttlMs] = deadlines[ttlMs] or whole(nowMs + ttlMs)
      call('HSET', job, 'lastTick', tick, 'epoch', value, 'token', token, 'deadline', deadlines[ttlMs], 'about', argv[at + 5])
    end
  end
  reply[length + 1], reply[length + 2] = outcome, value
  length = length + 2
end
return reply
