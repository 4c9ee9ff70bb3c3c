-- Gives up ticks: they are not run any more.
--
-- Input:
--   KEYS[1] job
--   ARGV[1] the last tick that is given up, in ms   ARGV[2] the last tick that the caller knew of
--   ARGV[3] how many ticks are given up   ARGV[4] definition that the caller follows
--   ARGV[5] how early in ms a tick may be claimed
-- Output:
--   {'passed', lastTick, now}       they are, by this call or by another
--   {'superseded', 0, now}          a newer definition of the job is in force
-- Events: none
--@include "server-time.lua"
local job, now = KEYS[1], whole(nowMs)
local last, definition = unpack(redis.call('HMGET', job, 'lastTick', 'definition'))
if definition and definition ~= ARGV[4] then
  return { 'superseded', 0, now }
end
-- Never beyond what is due: a caller whose clock is ahead must not use up the future.
local upToMs = math.min(tonumber(ARGV[1]), nowMs + tonumber(ARGV[5]))
if not last or upToMs > tonumber(last) then
  redis.call('HSET', job, 'lastTick', whole(upToMs))
  if last == ARGV[2] then
    redis.call('HINCRBY', job, 'missed', tonumber(ARGV[3]))
  end
  return { 'passed', whole(upToMs), now }
end
return { 'passed', last, now }
