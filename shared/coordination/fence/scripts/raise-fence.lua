-- Remembers a fencing token, unless a higher one was seen.
--
-- Input:
--   KEYS[1] highest token seen
--   ARGV[1] token   ARGV[2] for how long it is remembered, in ms
-- Output: 1 if no higher one was seen, else 0
-- Events: none
local token, highest = tonumber(ARGV[1]), tonumber(redis.call('GET', KEYS[1]) or '0')
if token < highest then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
