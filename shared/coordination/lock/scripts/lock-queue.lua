-- What all scripts of locks share. ARGV[1] is the prefix, ARGV[2] the guard, of every one of them.
--
-- A lock is a string with a time limit, `<holder> <epoch> <identity> <limit in ms>`, with ` *` after it
-- while somebody waits. A queue is a sorted set of holders by ticket; a
-- holder that wants several names has one ticket in all their queues, so the lowest ticket of all is the first in each
-- of its queues, and nobody waits in a circle. A waiter lives as long as its record, which it refreshes.
-- Input: as of the script that includes this
-- Output: none
-- Events: the next holder on the channel of its participant
--@include "../../lease/scripts/recovering.lua"
local prefix, guard = ARGV[1], ARGV[2]
local epochKey, bootKey = prefix .. ':epoch', prefix .. ':boot'
-- A holder that is served must claim within this time: enough for a busy process, little for a dead one.
local claimMs = 1000
-- No place is kept for longer without a sign of life, whatever a clock that went back makes of it.
local longestPlaceMs = 3000

local function lockKey(name)
  return prefix .. ':lock:' .. name
end

local function queueKey(name)
  return prefix .. ':lock-queue:' .. name
end

local function waiterKey(holder)
  return prefix .. ':lock-waiter:' .. holder
end

local function isOf(value, holder)
  return value and string.sub(value, 1, #holder + 1) == holder .. ' '
end

local function msOf(time)
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function nextEpoch(last, time)
  local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
  -- The clock keeps epochs rising even when the counter was lost.
  local epoch = string.format('%.0f', math.max(tonumber(last or '0') + 1, micros))
  redis.call('SET', epochKey, epoch)
  return epoch
end

-- Somebody waits: the holder has to hand on, and must not go the short way of free-lock.lua.
local function markAwaited(name)
  local value = redis.call('GET', lockKey(name))
  if value and string.sub(value, -2) ~= ' *' then
    redis.call('APPEND', lockKey(name), ' *')
  end
end

local function take(names, holder, identity, ms, epoch)
  local value = holder .. ' ' .. epoch .. ' ' .. identity .. ' ' .. ms
  for _, name in ipairs(names) do
    redis.call('SET', lockKey(name), value, 'PX', ms)
    if redis.call('EXISTS', queueKey(name)) == 1 then
      markAwaited(name)
    end
  end
end

-- Prolongs a lock by its holder, to a limit that may be another than before.
local function prolong(name, value, ms)
  local rest = string.match(value, '^%S+ %d+ %S+ %d+(.*)$')
  local known = string.match(value, '^(%S+ %d+ %S+) %d+')
  redis.call('SET', lockKey(name), known .. ' ' .. ms .. rest, 'PX', ms)
end

-- A server whose clock went back keeps keys for longer; nobody relies on a lock for more than its limit.
local function leftOfLockMs(name)
  local leftMs = redis.call('PTTL', lockKey(name))
  local limitMs = tonumber(string.match(redis.call('GET', lockKey(name)) or '', '^%S+ %d+ %S+ (%d+)'))
  if not limitMs or leftMs <= limitMs then
    return leftMs
  end
  redis.call('PEXPIRE', lockKey(name), limitMs)
  return limitMs
end

local function dequeue(names, holder)
  for _, name in ipairs(names) do
    redis.call('ZREM', queueKey(name), holder)
  end
  redis.call('DEL', waiterKey(holder))
end

-- The first that lives, and its record; those before it are dead and leave.
local function firstOf(name)
  while true do
    local first = redis.call('ZRANGE', queueKey(name), 0, 0)[1]
    if not first then
      return nil
    end
    local record = redis.call('GET', waiterKey(first))
    if record then
      if redis.call('PTTL', waiterKey(first)) > longestPlaceMs then
        redis.call('PEXPIRE', waiterKey(first), longestPlaceMs)
      end
      return first, record
    end
    redis.call('ZREM', queueKey(name), first)
  end
end

local function isFirstAndFree(names, holder)
  for _, name in ipairs(names) do
    if redis.call('EXISTS', lockKey(name)) == 1 or firstOf(name) ~= holder then
      return false
    end
  end
  return true
end

-- Reserves what has become free for those who are next, and wakes them.
local function handOn(names)
  for _, name in ipairs(names) do
    local first, text = firstOf(name)
    if first then
      local waiter = cjson.decode(text)
      if isFirstAndFree(waiter.names, first) then
        local time = redis.call('TIME')
        if recoveringMs(bootKey, guard, msOf(time), waiter.ms) == 0 then
          dequeue(waiter.names, first)
          take(waiter.names, first, waiter.identity, claimMs, nextEpoch(redis.call('GET', epochKey), time))
          redis.call('PUBLISH', prefix .. ':wake:' .. waiter.participant, first)
        end
      end
    end
  end
end

local function namesFrom(index)
  local names = {}
  for i = index, #ARGV do
    names[#names + 1] = ARGV[i]
  end
  return names
end
