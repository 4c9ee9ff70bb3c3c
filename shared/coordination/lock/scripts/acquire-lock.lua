-- Takes locks of all names at once, claims what was reserved, or stands in line for them.
--
-- Input:
--   ARGV[1] prefix   ARGV[2] guard: 'data' or 'failover'
--   ARGV[3] holder, the same again for each try   ARGV[4] identity   ARGV[5] participant
--   ARGV[6] time limit in ms
--   ARGV[7] for how long a place in line is kept without another try, in ms; 0 to stand in no line
--   ARGV[8] ticket of an earlier try, or empty
--   ARGV[9…] names
-- Output:
--   {'acquired', epoch}      all are held, since now or since an earlier try
--   {'held', ms}             another holds one or is before us; ms until the longest ends, or -1 when others are first
--   {'queued', ms, ticket}   the same, and we stand in line
--   {'recovering', ms}       the data is new: a holder from before may live for that long
-- Events: the holder on the channel of its participant, for one that is served on the way
--@include "lock-queue.lua"
local holder, identity, participant = ARGV[3], ARGV[4], ARGV[5]
local ms, keptMs, ticket = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
local names = namesFrom(9)

local keys = { bootKey, epochKey }
for i, name in ipairs(names) do
  keys[i + 2] = lockKey(name)
end
local values = redis.call('MGET', unpack(keys))
local mine, taken = 0, 0
for i = 3, #keys do
  if isOf(values[i], holder) then
    mine = mine + 1
  elseif values[i] then
    taken = taken + 1
  end
end
if mine == #names then
  for i, name in ipairs(names) do
    prolong(name, values[i + 2], ms)
  end
  return { 'acquired', string.match(values[3], '^%S+ (%d+)') }
end
-- Reservations end one by one: what is left of ours must not be in our own way.
if mine > 0 then
  for i = 3, #keys do
    if isOf(values[i], holder) then
      redis.call('DEL', keys[i])
    end
  end
end

local time = redis.call('TIME')
local waitMs = recoveringMs(bootKey, guard, msOf(time), ms)
if waitMs > 0 then
  return { 'recovering', waitMs }
end

local isNext = taken == 0
for _, name in ipairs(names) do
  if not isNext then
    break
  end
  local first = firstOf(name)
  isNext = not first or first == holder
end
if isNext then
  if ticket ~= '' then
    dequeue(names, holder)
  end
  local epoch = nextEpoch(values[2], time)
  take(names, holder, identity, ms, epoch)
  return { 'acquired', epoch }
end

if keptMs > 0 then
  if ticket == '' then
    ticket = nextEpoch(values[2], time)
  end
  local record = { names = names, ms = ms, identity = identity, participant = participant }
  redis.call('SET', waiterKey(holder), cjson.encode(record), 'PX', keptMs)
  -- Tells the short way to look whether there is a line: no line is older than this.
  redis.call('SET', prefix .. ':awaiting', '1', 'PX', keptMs)
  for _, name in ipairs(names) do
    redis.call('ZADD', queueKey(name), ticket, holder)
    markAwaited(name)
    redis.call('PEXPIRE', queueKey(name), keptMs)
  end
end
-- A holder that died hands nothing on: whoever looks does it for the first in line.
if taken < #names then
  handOn(names)
  if isOf(redis.call('GET', keys[3]), holder) then
    return { 'queued', 0, ticket }
  end
end

local endsMs = -1
for _, name in ipairs(names) do
  if keptMs > 0 and firstOf(name) ~= holder then
    endsMs = -1
    break
  end
  endsMs = math.max(endsMs, leftOfLockMs(name))
end
if keptMs == 0 then
  return { 'held', endsMs }
end
return { 'queued', endsMs, ticket }
