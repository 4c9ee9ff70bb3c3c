-- Prolongs a lease for its holder; never makes it anew.
--
-- Input:
--   KEYS[1] lease
--   ARGV[1] token   ARGV[2] limit in ms
-- Output: 'renewed', 'expired' (nobody holds it) or 'taken' (another does)
-- Events: none
local holder = redis.call('GET', KEYS[1])
if not holder then
  return 'expired'
end
if holder ~= ARGV[1] then
  return 'taken'
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 'renewed'
