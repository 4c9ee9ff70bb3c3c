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
local call, argv = redis.call, ARGV
local time = call('TIME')
local nowMs = time[1] * 1000 + math.floor(time[2] / 1000)
local nowUs = time[1] * 1000000 + time[2]
local latestMs = nowMs + argv[1]
local reply = { string.format('%.0f', nowMs) }

local function claim(job, tick, token, definition, ttlMs, about)
  local record = call('HMGET', job, 'lastTick', 'epoch', 'token', 'paused', 'definition')
  local last, epoch, owner = record[1], record[2], record[3]
  if owner == token or not last or record[5] ~= definition or record[4] == '1' then
    return 'unsettled', ''
  end
  local tickMs = tonumber(tick)
  if tickMs <= tonumber(last) then
    return 'taken', last
  end
  if tickMs > latestMs then
    return 'early', string.format('%.0f', tickMs - nowMs)
  end
  if owner and owner ~= '' then
    return 'unsettled', ''
  end
  -- The clock keeps epochs rising even when the counter was lost.
  local given = string.format('%.0f', math.max((epoch or 0) + 1, nowUs))
  call('HSET', job, 'lastTick', tick, 'epoch', given, 'token', token,
    'deadline', string.format('%.0f', nowMs + ttlMs), 'about', about)
  return 'claimed', given
end

for at = 2, #argv, 6 do
  local last = #reply
  reply[last + 1], reply[last + 2] =
    claim(argv[at], argv[at + 1], argv[at + 2], argv[at + 3], argv[at + 4], argv[at + 5])
end
return reply
