-- Wants a process of a job on a node. Wanting the same run again changes nothing, wherever it was to be placed this time.
--
-- Input
--   KEYS[1] runs   KEYS[2] version   KEYS[3] wake channel
--   ARGV[1] run id   ARGV[2] the run, as stored   ARGV[3] its node, as a JSON list   ARGV[4] how many runs may be wanted at once
-- Output
--   'created', 'exists', or 'full'
-- Events
--   none; the node is woken
--@include "../../../shared/redis/scripts/announce.lua"
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
  return 'exists'
end
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then
  return 'full'
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
announce(KEYS[2], KEYS[3], 'desired', ARGV[3])
return 'created'
