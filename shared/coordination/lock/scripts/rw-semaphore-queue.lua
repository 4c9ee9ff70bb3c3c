-- What the scripts of read-write locks and semaphores share: holders of which several may be there at once.
--
-- Holders are a sorted set by the ms at which they end, with a hash of what each is, `<kind> <epoch> <identity> <ms>`; the queue is a sorted set by ticket,
-- read-write locks and semaphores alike. A waiter lives as long as its record, which it refreshes.
-- Input: as of the script that includes this; ARGV[3] space, `rw` or `semaphore`, ARGV[4] name
-- Output: none
-- Events: the next holders on the channels of their participants
--@include "lock-queue.lua"
local space, spaceName = prefix .. ':' .. ARGV[3], ':' .. ARGV[4]
local holdersKey, infoKey, lineKey = space .. spaceName, space .. '-info' .. spaceName, space .. '-queue' .. spaceName
local now = redis.call('TIME')
local nowMs = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)

-- The time limit in ms with which a holder came, at least that of a reservation; unknown is without end.
local function limitOf(holder)
  local limitMs = string.match(redis.call('HGET', infoKey, holder) or '', ' (%d+)$')
  return limitMs and math.max(claimMs, tonumber(limitMs)) or math.huge
end

local function dropEnded()
  local last, lastEnds = unpack(redis.call('ZRANGE', holdersKey, -1, -1, 'WITHSCORES'))
  -- Further away than any time limit of that holder: the server's clock went back. Nobody relies on it for longer.
  if last and tonumber(lastEnds) - nowMs > limitOf(last) then
    for _, holder in ipairs(redis.call('ZRANGE', holdersKey, 0, -1)) do
      redis.call('ZADD', holdersKey, 'LT', nowMs + limitOf(holder), holder)
    end
  end
  for _, ended in ipairs(redis.call('ZRANGEBYSCORE', holdersKey, '-inf', nowMs)) do
    redis.call('ZREM', holdersKey, ended)
    redis.call('HDEL', infoKey, ended)
  end
end

-- Whether one more of this kind may be there: readers together, a writer alone, permits up to their number.
local function hasRoom(kind, permits)
  local count = redis.call('ZCARD', holdersKey)
  if kind == 'semaphore' then
    return count < permits
  end
  if count == 0 then
    return true
  end
  local first = redis.call('ZRANGE', holdersKey, 0, 0)[1]
  return kind == 'read' and string.sub(redis.call('HGET', infoKey, first), 1, 5) == 'read '
end

-- Keys end with the last holder, so that nothing stays of holders that died.
local function keepUntilLast()
  local last = redis.call('ZRANGE', holdersKey, -1, -1, 'WITHSCORES')[2]
  if last then
    redis.call('PEXPIREAT', holdersKey, last)
    redis.call('PEXPIREAT', infoKey, last)
  end
end

local function admit(holder, kind, ms, identity, limitMs)
  local epoch = nextEpoch(redis.call('GET', epochKey), now)
  redis.call('ZADD', holdersKey, nowMs + ms, holder)
  redis.call('HSET', infoKey, holder, kind .. ' ' .. epoch .. ' ' .. identity .. ' ' .. limitMs)
  keepUntilLast()
  return epoch
end

local function firstInLine()
  while true do
    local first = redis.call('ZRANGE', lineKey, 0, 0)[1]
    if not first then
      return nil
    end
    local record = redis.call('GET', waiterKey(first))
    if record then
      return first, cjson.decode(record)
    end
    redis.call('ZREM', lineKey, first)
  end
end

local function leaveLine(holder)
  redis.call('ZREM', lineKey, holder)
  redis.call('DEL', waiterKey(holder))
end

-- Reserves what is free for those who are next, strictly in order, and wakes them.
local function serveLine()
  while true do
    local first, waiter = firstInLine()
    if not first or not hasRoom(waiter.kind, waiter.permits) then
      return
    end
    if recoveringMs(bootKey, guard, nowMs, waiter.ms) > 0 then
      return
    end
    leaveLine(first)
    admit(first, waiter.kind, claimMs, waiter.identity, waiter.ms)
    redis.call('PUBLISH', prefix .. ':wake:' .. waiter.participant, first)
  end
end
