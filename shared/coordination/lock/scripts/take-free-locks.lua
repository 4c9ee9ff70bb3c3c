-- Takes each of some locks that nobody has or waits for, on data that is not new: the short way of acquire-lock.lua for
-- what one process asks for at the same moment. Each lock is apart from the others.
--
-- Input:
--   ARGV[1] prefix   ARGV[2] identity, then three for each lock: holder, time limit in ms, name
-- Output: for each its epoch, or '' where the long way has to be gone
-- Events: none
local call, argv, prefix = redis.call, ARGV, ARGV[1]
local keys = { prefix .. ':epoch', prefix .. ':boot', prefix .. ':awaiting' }
for at = 5, #argv, 3 do
  keys[#keys + 1] = prefix .. ':lock:' .. argv[at]
end
local found = call('MGET', unpack(keys))
local time = call('TIME')
local micros = time[1] * 1000000 + time[2]
local boot, isAwaited = found[2], found[3]
-- A run id that follows the time is for others.
local ageMs = boot and micros / 1000 - (tonumber(boot) or string.match(boot, '^%d+')) or -1

local reply, taken, epoch = {}, {}, nil
for at = 3, #argv, 3 do
  local holder, limitMs, name = argv[at], argv[at + 1], argv[at + 2]
  local place = (at - 3) / 3 + 1
  local mayTake = not found[place + 3] and not taken[name] and ageMs >= tonumber(limitMs)
  if mayTake and isAwaited then
    mayTake = call('EXISTS', prefix .. ':lock-queue:' .. name) == 0
  end
  if mayTake then
    -- The clock keeps epochs rising even when the counter was lost.
    epoch = epoch and epoch + 1 or math.max((found[1] or 0) + 1, micros)
    local text = string.format('%d', epoch)
    call('SET', keys[place + 3], holder .. ' ' .. text .. ' ' .. argv[2] .. ' ' .. limitMs, 'PX', limitMs)
    taken[name] = true
    reply[place] = text
  else
    reply[place] = ''
  end
end
if epoch then
  call('SET', keys[1], string.format('%d', epoch))
end
return reply
