-- Reads all that the leader decides on in one step. Documents go out as they are stored; the caller parses them.
--
-- Input   KEYS  cluster, version, epoch (of the leader's election), nodes, node labels, node states, heartbeats, usages,
--               services, deployments, active deployments, instances, statuses, routers, routes
-- Output  { generation, version, epoch, nodes, labels, states, heartbeats, usages, services, deployments, instances,
--         statuses, routers, routes }: hashes as lists of field and value, deployments as a list of texts
-- Events  none
local active = redis.call('SMEMBERS', KEYS[11])
local deployments = {}
-- HMGET takes its fields from the Lua stack, which holds some thousands.
for first = 1, #active, 1000 do
  local texts = redis.call('HMGET', KEYS[10], unpack(active, first, math.min(first + 999, #active)))
  for _, text in ipairs(texts) do
    if text then deployments[#deployments + 1] = text end
  end
end
return {
  redis.call('HGET', KEYS[1], 'generation') or '',
  redis.call('GET', KEYS[2]) or '0',
  redis.call('GET', KEYS[3]) or '0',
  redis.call('HGETALL', KEYS[4]),
  redis.call('HGETALL', KEYS[5]),
  redis.call('HGETALL', KEYS[6]),
  redis.call('HGETALL', KEYS[7]),
  redis.call('HGETALL', KEYS[8]),
  redis.call('HGETALL', KEYS[9]),
  deployments,
  redis.call('HGETALL', KEYS[12]),
  redis.call('HGETALL', KEYS[13]),
  redis.call('HGETALL', KEYS[14]),
  redis.call('GET', KEYS[15]) or '',
}
