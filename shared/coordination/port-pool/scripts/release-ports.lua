-- Gives the ports of an allocation back; they rest before they are given again.
--
-- Input:
--   KEYS[1] allocations   KEYS[2] pools   KEYS[3] rest, to be followed by a pool
--   ARGV[1] id   ARGV[2] token, or '' when its reply was lost   ARGV[3] participant, or '' where the token is enough
--   ARGV[4] rest in ms   ARGV[5] for how long an owner finds its ports again, in ms
-- Output: 1 if it was held so, else 0
-- Events: none
--@include "server-time.lua"
--@include "read-record.lua"
--@include "put-back.lua"
local found = redis.call('HGET', KEYS[1], ARGV[1])
if not found then
  return 0
end
-- Only what is needed: this is as frequent as allocations.
local itsToken, itsParticipant, packed, sticky = string.match(found, '^(%d+)\n([^\n]*)\n%d+\n([^\n]*)\n([^\n]*)')
local token, participant = ARGV[2], ARGV[3]
if (token == '' and participant == '') or (token ~= '' and token ~= itsToken)
  or (participant ~= '' and participant ~= itsParticipant) then
  return 0
end
local reusableFromMs = nowMs + tonumber(ARGV[4])
redis.call('HDEL', KEYS[1], ARGV[1])
local onlyPool, onlyPort = string.match(packed, '^([^=;]+)=(%d+)$')
if onlyPool then
  putBack(KEYS[2], KEYS[3], onlyPool, { onlyPort }, reusableFromMs)
else
  eachPool(packed, function(pool, ports)
    putBack(KEYS[2], KEYS[3], pool, ports, reusableFromMs)
  end)
end
if sticky ~= '' then
  redis.call('SET', sticky, string.format('%.0f ', reusableFromMs) .. packed, 'PX', ARGV[5])
end
return 1
