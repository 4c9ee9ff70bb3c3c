-- Takes the oldest run that was asked for by hand.
--
-- Input:
--   KEYS[1] job   KEYS[2] history   KEYS[3] requests
--   ARGV[1] token, the same again when an earlier try had no answer
--   ARGV[2] time in ms for which the run is believed in without a heartbeat
--   ARGV[3] overlap: skip | queue | replace; skip waits here, for someone asked
--   ARGV[4] the identity of who asks
--   ARGV[5] wake channel   ARGV[6] the job's name   ARGV[7] how long in ms a request waits to be taken
-- Output: each ends with the server's time in ms
--   {'claimed', epoch, now, about}   the token has the run; about is the run as JSON
--   {'running', ms, now}             an earlier run is in progress, believed in for so long
--   {'none', 0, now}                 nothing is asked for
-- Events: `<name> replaced` on the wake channel when a run was
--@include "server-time.lua"
--@include "start-run.lua"
local job, history, requests = KEYS[1], KEYS[2], KEYS[3]
local token, overlap, now = ARGV[1], ARGV[3], whole(nowMs)

local epoch, owner, deadline, about =
  unpack(redis.call('HMGET', job, 'epoch', 'token', 'deadline', 'about'))
if owner == token then
  redis.call('HSET', job, 'deadline', whole(nowMs + tonumber(ARGV[2])))
  return { 'claimed', epoch, now, about }
end
local asked = redis.call('LINDEX', requests, 0)
while asked and tonumber(asked) < nowMs - tonumber(ARGV[7]) do
  redis.call('LPOP', requests)
  asked = redis.call('LINDEX', requests, 0)
end
if not asked then
  return { 'none', 0, now }
end
if owner and owner ~= '' then
  local remainingMs = tonumber(deadline) - nowMs
  if remainingMs > 0 and overlap ~= 'replace' then
    return { 'running', remainingMs, now }
  end
  local reason = remainingMs > 0 and 'replaced by a run that was asked for' or 'its host went silent'
  endRun(history, epoch, 'lost', reason, sinceOf(epoch), about)
  if remainingMs > 0 then
    redis.call('PUBLISH', ARGV[5], ARGV[6] .. ' replaced')
  end
end

redis.call('LPOP', requests)
local given = nextEpoch(epoch)
local run = cjson.encode({ tick = asked, trigger = 'manual', identity = ARGV[4] })
redis.call('HSET', job, 'epoch', given, 'token', token, 'deadline', whole(nowMs + tonumber(ARGV[2])),
  'about', run)
return { 'claimed', given, now, run }
