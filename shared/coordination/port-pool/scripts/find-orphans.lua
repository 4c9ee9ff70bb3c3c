-- Names allocations of dead participants, and forgets the dead ones that have none.
--
-- Input:
--   KEYS[1] allocations   KEYS[2] participants
--   ARGV[1] how many at most   ARGV[2] any number: where in their order to begin, so that those that stay hide no others
-- Output: {live participants, id, record, id, record, …}
-- Events: none
--@include "server-time.lua"
--@include "read-record.lua"
local dead = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', nowMs)
local live = redis.call('ZCARD', KEYS[2]) - #dead
if #dead == 0 then
  return { live }
end
local hasNone = {}
for _, participant in ipairs(dead) do
  hasNone[participant] = true
end
local isDead = {}
for _, participant in ipairs(dead) do
  isDead[participant] = true
end
local orphaned = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local record = readRecord(all[i + 1])
  if isDead[record.participant] then
    hasNone[record.participant] = nil
    orphaned[#orphaned + 1] = i
  end
end
local reply = { live }
for at = 1, math.min(#orphaned, tonumber(ARGV[1])) do
  local i = orphaned[(ARGV[2] + at) % #orphaned + 1]
  reply[#reply + 1] = all[i]
  reply[#reply + 1] = all[i + 1]
end
for participant in pairs(hasNone) do
  redis.call('ZREM', KEYS[2], participant)
end
return reply
