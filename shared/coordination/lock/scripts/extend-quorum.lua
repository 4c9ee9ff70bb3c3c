-- One master's vote for prolonging a lock; never makes it anew.
--
-- Input:
--   KEYS[1] lock   KEYS[2] boot, not used
--   ARGV[1] value   ARGV[2] ttl in ms
-- Output: 2 for a vote; 0 when nobody holds it; -1 when another does
-- Events: none
local holder = redis.call('GET', KEYS[1])
if not holder then
  return 0
end
if holder ~= ARGV[1] then
  return -1
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 2
