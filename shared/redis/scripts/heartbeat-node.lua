-- Counts a heartbeat. Touches three fields, whatever the size of the cluster, and wakes nobody.
--
-- Input   KEYS  nodes, heartbeats, usages, version
--         ARGV  node id, usage and wall clock (JSON)
-- Output  version of desired state; a node that was removed changes nothing
-- Events  none
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
  redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
  redis.call('HSET', KEYS[3], ARGV[1], ARGV[2])
end
return tonumber(redis.call('GET', KEYS[4]) or 0)
