-- Names the allocations of one participant.
--
-- Input:
--   KEYS[1] allocations
--   ARGV[1] participant
-- Output: {id, token, id, token, …}
-- Events: none
--@include "read-record.lua"
local all, held = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  local record = readRecord(all[i + 1])
  if record.participant == ARGV[1] then
    held[#held + 1] = all[i]
    held[#held + 1] = record.token
  end
end
return held
