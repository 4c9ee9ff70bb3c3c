-- Takes a candidate out of the line, and gives back what it took without knowing.
--
-- Input:
--   KEYS[1] lease   KEYS[2] line   KEYS[3] seen
--   ARGV[1] token of a try that had no answer, or ''   ARGV[2] candidate   ARGV[3] wake channel
-- Output: 1 if the token held the lease, else 0
-- Events: 'released' published on the wake channel when the lease is free now, for the next in line
local lease, line, seen = KEYS[1], KEYS[2], KEYS[3]
redis.call('ZREM', line, ARGV[2])
redis.call('ZREM', seen, ARGV[2])
local holder = redis.call('GET', lease)
local held = holder == ARGV[1]
if held then
  redis.call('DEL', lease)
end
if held or not holder then
  redis.call('PUBLISH', ARGV[3], 'released')
end
return held and 1 or 0
