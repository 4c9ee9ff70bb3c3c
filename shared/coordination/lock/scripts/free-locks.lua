-- Gives back each of some locks that nobody waits for: the short way of release-lock.lua.
--
-- Input:
--   ARGV[1] prefix, then two for each lock: name, its value while nobody waits, `<holder> <epoch> <identity> <limit>`
-- Output: for each 1 if it was held so, or 0 where the long way has to be gone
-- Events: none
local call, argv, prefix = redis.call, ARGV, ARGV[1] .. ':lock:'
local reply = {}
for at = 2, #argv, 2 do
  local key = prefix .. argv[at]
  reply[at / 2] = call('GET', key) == argv[at + 1] and call('DEL', key) or 0
end
return reply
