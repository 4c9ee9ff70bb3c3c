-- Claims one tick of a job, for one run at most ever, whatever stands in the way.
--
-- Input:
--   KEYS[1] job   KEYS[2] history
--   ARGV[1] tick, the nominal instant in ms
--   ARGV[2] token of this try, the same again when an earlier try had no answer
--   ARGV[3] definition that the caller follows
--   ARGV[4] time in ms for which the run is believed in without a heartbeat
--   ARGV[5] overlap: skip | queue | replace
--   ARGV[6] how early in ms a tick may be claimed
--   ARGV[7] about: the run as JSON, for people
--   ARGV[8] the last tick that the caller knew of, ARGV[9] how many ticks between the two are given up
--   ARGV[10] wake channel   ARGV[11] the job's name
--   ARGV[12] '1' where another server may have taken over without the last writes
-- Output: each ends with the server's time in ms
--   {'claimed', epoch, now}        the token has the run, since now or since an earlier try
--   {'early', ms, now}             not due yet, for so long
--   {'taken', lastTick, now}       the tick, or a later one, was claimed, skipped or given up before
--   {'running', ms, now}           queue: an earlier run is in progress, believed in for so long
--   {'skipped', tick, now}         skip: an earlier run is in progress; the tick is used up
--   {'paused', 0, now}             nothing is claimed while the job is paused
--   {'superseded', 0, now}         a newer definition of the job is in force
-- Events: `<name> replaced` on the wake channel when a run was
--@include "server-time.lua"
--@include "start-run.lua"
local job, history = KEYS[1], KEYS[2]
local tick, token, ttlMs = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[4])
local overlap, now = ARGV[5], whole(nowMs)

local last, epoch, owner, deadline, paused, definition, server =
  unpack(redis.call('HMGET', job, 'lastTick', 'epoch', 'token', 'deadline', 'paused', 'definition', 'server'))
if owner == token then
  redis.call('HSET', job, 'deadline', whole(nowMs + ttlMs))
  return { 'claimed', epoch, now }
end
if definition and definition ~= ARGV[3] then
  return { 'superseded', 0, now }
end
local lastMs = tonumber(last or '')

-- A record that is gone, or that a server brings which may lack the last writes: what is due by now may have run.
local runId = ARGV[12] == '1' and redis.call('INFO', 'server'):match('run_id:(%w+)') or false
if not lastMs or (runId and runId ~= server) then
  lastMs = math.max(lastMs or 0, nowMs + tonumber(ARGV[6]))
  redis.call('HSET', job, 'lastTick', whole(lastMs), 'server', runId or '')
end

if tick <= lastMs then
  return { 'taken', whole(lastMs), now }
end
if tick > nowMs + tonumber(ARGV[6]) then
  return { 'early', tick - nowMs, now }
end
if paused == '1' then
  return { 'paused', 0, now }
end

local missed = tonumber(ARGV[8]) == lastMs and tonumber(ARGV[9]) or 0
if owner and owner ~= '' then
  local remainingMs = tonumber(deadline) - nowMs
  if remainingMs > 0 and overlap == 'queue' then
    return { 'running', remainingMs, now }
  end
  if remainingMs > 0 and overlap == 'skip' then
    redis.call('HSET', job, 'lastTick', ARGV[1])
    redis.call('HINCRBY', job, 'missed', missed + 1)
    -- One record for all ticks that one run makes skip: a long run must not push the others out of the history.
    if redis.call('HGET', job, 'skippedFor') ~= owner then
      redis.call('HSET', job, 'skippedFor', owner)
      endRun(history, '0', 'skipped', 'an earlier run was in progress', now, ARGV[7])
    end
    return { 'skipped', ARGV[1], now }
  end
  local about = redis.call('HGET', job, 'about')
  local reason = remainingMs > 0 and 'replaced by the run of a later tick' or 'its host went silent'
  endRun(history, epoch, 'lost', reason, sinceOf(epoch), about)
  if remainingMs > 0 then
    redis.call('PUBLISH', ARGV[10], ARGV[11] .. ' replaced')
  end
end

if missed > 0 then
  redis.call('HINCRBY', job, 'missed', missed)
end
local given = nextEpoch(epoch)
redis.call('HSET', job, 'lastTick', ARGV[1], 'epoch', given, 'token', token,
  'deadline', whole(nowMs + ttlMs), 'about', ARGV[7])
return { 'claimed', given, now }
