-- Names allocations of dead participants, and forgets the dead ones that have none.
--
-- Input:
--   KEYS[1] allocations   KEYS[2] participants
--   ARGV[1] how many at most
-- Output: {id, record, id, record, …}
-- Events: none
--@include "server-time.lua"
--@include "read-record.lua"
local dead = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', nowMs)
if #dead == 0 then
  return {}
end
local hasNone = {}
for _, participant in ipairs(dead) do
  hasNone[participant] = true
end
local limit, orphans = tonumber(ARGV[1]), {}
local isDead = {}
for _, participant in ipairs(dead) do
  isDead[participant] = true
end
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local record = readRecord(all[i + 1])
  if isDead[record.participant] then
    hasNone[record.participant] = nil
    if #orphans < limit * 2 then
      orphans[#orphans + 1] = all[i]
      orphans[#orphans + 1] = all[i + 1]
    end
  end
end
for participant in pairs(hasNone) do
  redis.call('ZREM', KEYS[2], participant)
end
return orphans
