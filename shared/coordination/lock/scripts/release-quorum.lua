-- Takes one master's vote back.
--
-- Input:
--   KEYS[1] lock   KEYS[2] boot, not used
--   ARGV[1] value
-- Output: 2, also when there was nothing to take back: what counts is that the value holds nothing
-- Events: none
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
return 2
