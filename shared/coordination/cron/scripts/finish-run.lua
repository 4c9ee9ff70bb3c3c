-- Ends a run and records how.
--
-- Input:
--   KEYS[1] job   KEYS[2] history   KEYS[3] requests
--   ARGV[1] token of the run   ARGV[2] outcome   ARGV[3] duration in ms by the host's monotonic clock
--   ARGV[4] result as JSON, or empty   ARGV[5] error as a JSON string, or empty
--   ARGV[6] wake channel   ARGV[7] the job's name   ARGV[8] '1' where ticks may wait for the end of the run
-- Output:
--   'finished'   it is recorded, now or by an earlier try
--   'lost'       the run was not this token's any more; nothing is recorded
-- Events: `<name> freed` on the wake channel where something waits
--@include "server-time.lua"
--@include "start-run.lua"
local job, history, token = KEYS[1], KEYS[2], ARGV[1]
local owner, finished, epoch, about =
  unpack(redis.call('HMGET', job, 'token', 'finished', 'epoch', 'about'))
if owner ~= token then
  return finished == token and 'finished' or 'lost'
end
local record = '{"epoch":"' .. epoch .. '","outcome":"' .. ARGV[2] .. '","durationMs":' .. ARGV[3] .. ',"startedAtMs":' .. sinceOf(epoch)
  .. ',"endedAtMs":' .. whole(nowMs) .. ',"run":' .. about
if ARGV[4] ~= '' then
  record = record .. ',"result":' .. ARGV[4]
end
if ARGV[5] ~= '' then
  record = record .. ',"error":' .. ARGV[5]
end
redis.call('LPUSH', history, record .. '}')
redis.call('LTRIM', history, 0, 99)
redis.call('HSET', job, 'token', '', 'finished', token)
if ARGV[8] == '1' or redis.call('EXISTS', KEYS[3]) == 1 then
  redis.call('PUBLISH', ARGV[6], ARGV[7] .. ' freed')
end
return 'finished'
