-- Forgets a run: its node ends what is left of it.
--
-- Input
--   KEYS[1] runs   KEYS[2] stops   KEYS[3] statuses   KEYS[4] version   KEYS[5] wake channel
--   ARGV[1] run id   ARGV[2] its node, as a JSON list
-- Output
--   1 forgotten now, 0 before
-- Events
--   none; the node is woken
--@include "../../../shared/redis/scripts/announce.lua"
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then
  return 0
end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
announce(KEYS[4], KEYS[5], 'desired', ARGV[2])
return 1
