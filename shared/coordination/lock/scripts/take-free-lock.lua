-- Takes a lock that nobody has or waits for, on data that is not new: the short way of acquire-lock.lua.
--
-- Input:
--   ARGV[1] prefix   ARGV[2] holder   ARGV[3] identity   ARGV[4] time limit in ms   ARGV[5] name
-- Output: the epoch, or nothing where the long way has to be gone
-- Events: none
local call, prefix, name = redis.call, ARGV[1], ARGV[5]
local key, epochKey = prefix .. ':lock:' .. name, prefix .. ':epoch'
local found = call('MGET', key, epochKey, prefix .. ':boot', prefix .. ':awaiting')
if found[1] or not found[3] or (found[4] and call('EXISTS', prefix .. ':lock-queue:' .. name) == 1) then
  return nil
end
local time = call('TIME')
local micros = time[1] * 1000000 + time[2]
-- A run id that follows the time is for others.
if micros - 1000 * (tonumber(found[3]) or string.match(found[3], '^%d+')) < 1000 * ARGV[4] then
  return nil
end
-- The clock keeps epochs rising even when the counter was lost.
local epoch = string.format('%d', math.max((found[2] or 0) + 1, micros))
call('SET', epochKey, epoch)
call('SET', key, ARGV[2] .. ' ' .. epoch .. ' ' .. ARGV[3], 'PX', ARGV[4])
return epoch
