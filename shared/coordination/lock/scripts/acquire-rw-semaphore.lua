-- Takes a read or write lock or a permit, claims what was reserved, or stands in line for it.
--
-- Input:
--   ARGV[1] prefix   ARGV[2] guard   ARGV[3] space: 'rw' or 'semaphore'   ARGV[4] name
--   ARGV[5] holder, the same again for each try   ARGV[6] identity   ARGV[7] participant
--   ARGV[8] kind: 'read', 'write' or 'semaphore'   ARGV[9] permits, 0 for locks
--   ARGV[10] time limit in ms   ARGV[11] for how long a place in line is kept, in ms; 0 to stand in no line
-- Output:
--   {'acquired', epoch}               held, since now or since an earlier try
--   {'held' | 'queued', ms}           ms until the first holder ends, or -1 when only others in line are before us
--   {'recovering', ms}                the data is new: a holder from before may live for that long
-- Events: the holder on the channel of its participant, for one that is served on the way
--@include "rw-semaphore-queue.lua"
local holder, identity, participant = ARGV[5], ARGV[6], ARGV[7]
local kind, permits, ms, keptMs = ARGV[8], tonumber(ARGV[9]), math.ceil(tonumber(ARGV[10])), tonumber(ARGV[11])

dropEnded()
if redis.call('ZSCORE', holdersKey, holder) then
  redis.call('ZADD', holdersKey, nowMs + ms, holder)
  keepUntilLast()
  return { 'acquired', string.match(redis.call('HGET', infoKey, holder), '^%S+ (%d+)') }
end
local waitMs = recoveringMs(bootKey, guard, nowMs, ms)
if waitMs > 0 then
  return { 'recovering', waitMs }
end
local first = firstInLine()
if (not first or first == holder) and hasRoom(kind, permits) then
  leaveLine(holder)
  local epoch = admit(holder, kind, ms, identity, ms)
  serveLine()
  return { 'acquired', epoch }
end
if keptMs > 0 then
  local record = { kind = kind, permits = permits, ms = ms, identity = identity, participant = participant }
  redis.call('SET', waiterKey(holder), cjson.encode(record), 'PX', keptMs)
  if not redis.call('ZSCORE', lineKey, holder) then
    redis.call('ZADD', lineKey, nextEpoch(redis.call('GET', epochKey), now), holder)
  end
  redis.call('PEXPIRE', lineKey, keptMs)
end
-- A holder that died hands nothing on: whoever looks does it for the first in line.
serveLine()
if redis.call('ZSCORE', holdersKey, holder) then
  return { 'queued', 0 }
end
local soonest = redis.call('ZRANGE', holdersKey, 0, 0, 'WITHSCORES')[2]
return { keptMs > 0 and 'queued' or 'held', soonest and math.max(0, tonumber(soonest) - nowMs) or -1 }
