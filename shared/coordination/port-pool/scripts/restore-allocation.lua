-- Finds out whether an allocation is still held, and records it anew where Redis lost it and nobody else has its ports.
--
-- Input:
--   KEYS[1] allocations   KEYS[2] rest, to be followed by a pool
--   ARGV[1] id   ARGV[2] token   ARGV[3] participant   ARGV[4] its record
-- Output: 'held', 'restored' or 'lost'
-- Events: none
--@include "read-record.lua"
local allocations, rest = KEYS[1], KEYS[2]
local found = redis.call('HGET', allocations, ARGV[1])
if found then
  local record = readRecord(found)
  local mine = readRecord(ARGV[4])
  if record.ports ~= mine.ports then
    return 'lost'
  end
  -- A lower token is of before an adoption that this server has lost: nobody else can have the allocation since.
  if tonumber(record.token) < tonumber(ARGV[2]) then
    redis.call('HSET', allocations, ARGV[1], ARGV[4])
    return 'restored'
  end
  return record.token == ARGV[2] and record.participant == ARGV[3] and 'held' or 'lost'
end
local isFree = true
local mine = readRecord(ARGV[4])
eachPool(mine.ports, function(pool, ports)
  for _, port in ipairs(ports) do
    if not redis.call('ZSCORE', rest .. pool, port) then
      isFree = false
    end
  end
end)
if not isFree then
  return 'lost'
end
eachPool(mine.ports, function(pool, ports)
  redis.call('ZREM', rest .. pool, unpack(ports))
end)
redis.call('HSET', allocations, ARGV[1], ARGV[4])
return 'restored'
