-- Registers a controller or says that it is still there, by the store's clock. Those long silent are forgotten.
--
-- Input   KEYS  controllers, controllers seen
--         ARGV  id, document, ms after which one is forgotten
-- Output  none
-- Events  none
--@include "announce.lua"

local nowMs = storeNowMs()
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], nowMs, ARGV[1])
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', nowMs - ARGV[3])) do
  redis.call('HDEL', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
end
