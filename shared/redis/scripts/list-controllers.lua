-- Lists the controllers seen lately, by the store's clock.
--
-- Input   KEYS  controllers, controllers seen
--         ARGV  ms within which one counts as there
-- Output  list of document, ms since the epoch when it was seen, document, ...
-- Events  none
--@include "announce.lua"

local reply = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], storeNowMs() - ARGV[1], '+inf')) do
  reply[#reply + 1] = redis.call('HGET', KEYS[1], id)
  reply[#reply + 1] = redis.call('ZSCORE', KEYS[2], id)
end
return reply
