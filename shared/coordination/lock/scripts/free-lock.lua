-- Gives back a lock that nobody waits for: the short way of release-lock.lua.
--
-- Input:
--   ARGV[1] prefix   ARGV[2] name   ARGV[3] the value of a lock that nobody waits for: `<holder> <epoch> <identity>`
-- Output: 1 if it was held, or nothing where the long way has to be gone
-- Events: none
local key = ARGV[1] .. ':lock:' .. ARGV[2]
if redis.call('GET', key) ~= ARGV[3] then
  return nil
end
return redis.call('DEL', key)
