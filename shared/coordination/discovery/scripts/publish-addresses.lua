-- Writes where services are reached, unless a later leader has written.
--
-- Input:
--   KEYS[1] addresses
--   ARGV[1] term of the leader   ARGV[2] addresses, JSON   ARGV[3] channel of changes
-- Output: 0 when a later term has written, 1 when nothing has changed, 2 when written
-- Events: a message without content on the channel, when something has changed
local term = tonumber(ARGV[1])
local known = redis.call('HMGET', KEYS[1], 'term', 'book')
if known[1] and tonumber(known[1]) > term then return 0 end
if known[1] ~= ARGV[1] then redis.call('HSET', KEYS[1], 'term', ARGV[1]) end
if known[2] == ARGV[2] then return 1 end
redis.call('HSET', KEYS[1], 'book', ARGV[2])
redis.call('PUBLISH', ARGV[3], '')
return 2
