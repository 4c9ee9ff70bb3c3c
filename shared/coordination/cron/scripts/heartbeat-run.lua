-- Says that a run is still alive.
--
-- Input:
--   KEYS[1] job
--   ARGV[1] token of the run   ARGV[2] time in ms for which it is believed in from now on
-- Output:
--   'renewed'   it is
--   'expired'   the run was recorded as lost or ended, and no other is in progress
--   'taken'     another run is in progress
-- Events: none
--@include "server-time.lua"
local owner = redis.call('HGET', KEYS[1], 'token')
if owner == ARGV[1] then
  redis.call('HSET', KEYS[1], 'deadline', whole(nowMs + tonumber(ARGV[2])))
  return 'renewed'
end
return (owner and owner ~= '') and 'taken' or 'expired'
