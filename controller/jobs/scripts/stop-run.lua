-- Wants the process of a run stopped.
--
-- Input
--   KEYS[1] runs   KEYS[2] stops   KEYS[3] version   KEYS[4] wake channel
--   ARGV[1] run id   ARGV[2] why   ARGV[3] its node, as a JSON list
-- Output
--   1 it is wanted stopped, 0 there is no such run
-- Events
--   none; the node is woken the first time
--@include "../../../shared/redis/scripts/announce.lua"
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return 0
end
if redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2]) == 1 then
  announce(KEYS[3], KEYS[4], 'desired', ARGV[3])
end
return 1
