-- Takes other ports for those of an allocation that a stranger listens on: all, or the whole allocation is undone.
--
-- Input:
--   KEYS[1] allocations   KEYS[2] pools   KEYS[3] rest, to be followed by a pool   KEYS[4] foreign, likewise
--   KEYS[5] boot, or KEYS[1] where the guard is 'data'
--   ARGV[1] id   ARGV[2] token   ARGV[3] for how long a foreign port is left alone, in ms
--   ARGV[4] ttl of a participant in ms
--   ARGV[5…] pool and port of each foreign one
-- Output:
--   {'allocated', token, ports}
--   {'recovering', ms}        the server is another: it may not know yet what others have
--   {'lost'}                  no such allocation with this token
--   {'exhausted', pool, -1}   it was undone
-- Events: none
--@include "server-time.lua"
--@include "read-record.lua"
--@include "put-back.lua"
--@include "../../lease/scripts/recovering.lua"
--@include "longest-silence.lua"
local allocations, pools, rest, foreign = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local found = redis.call('HGET', allocations, ARGV[1])
local record = found and readRecord(found)
if not record or record.token ~= ARGV[2] then
  return { 'lost' }
end
if KEYS[5] ~= KEYS[1] then
  local waitMs = recoveringMs(KEYS[5], 'failover', nowMs, longestSilenceMs(pools, tonumber(ARGV[4])))
  if waitMs > 0 then
    return { 'recovering', waitMs }
  end
end
local untilMs = nowMs + tonumber(ARGV[3])

local bad = {}
for i = 5, #ARGV, 2 do
  bad[ARGV[i] .. ' ' .. ARGV[i + 1]] = true
end
local good, packed, short = {}, {}, nil
eachPool(record.ports, function(pool, ports)
  local kept, missing = {}, 0
  for _, port in ipairs(ports) do
    if bad[pool .. ' ' .. port] then
      missing = missing + 1
      redis.call('ZREMRANGEBYSCORE', foreign .. pool, '-inf', nowMs)
      redis.call('ZADD', foreign .. pool, untilMs, port)
      putBack(pools, rest, pool, { port }, untilMs)
    else
      kept[#kept + 1] = port
    end
  end
  if missing > 0 and not short then
    local fresh = redis.call('ZRANGEBYSCORE', rest .. pool, '-inf', nowMs, 'LIMIT', 0, missing)
    if #fresh < missing then
      short = pool
    else
      redis.call('ZREM', rest .. pool, unpack(fresh))
      for _, port in ipairs(fresh) do
        kept[#kept + 1] = port
      end
    end
  end
  good[#good + 1] = { pool, kept }
  packed[#packed + 1] = pool .. '=' .. table.concat(kept, ',')
end)

if short then
  for _, entry in ipairs(good) do
    putBack(pools, rest, entry[1], entry[2], nowMs)
  end
  redis.call('HDEL', allocations, ARGV[1])
  return { 'exhausted', short, -1 }
end
record.ports = table.concat(packed, ';')
redis.call('HSET', allocations, ARGV[1], writeRecord(record))
return { 'allocated', record.token, record.ports }
