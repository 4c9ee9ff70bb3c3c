-- Snippet: leases a port of one node to an instance. A freed port rests in quarantine, so that a router with an older
-- table does not send requests to a new owner; ports are taken in turn, so that the one freed last is used last.
--   <ports>          hash    port → owner: an instance id, or service@revision for a shared port
--   <ports>:counts   hash    port → number of instances that hold it
--   <ports>:holders  hash    instance id → port
--   <ports>:shared   hash    owner → port, of shared ports
--   <ports>:freed    zset    port → when it was freed, in ms by the store's clock
--   <ports>:next     string  where the next search begins
--
-- Input   leasePort(ports, from, to, owner, shared, instanceId, nowMs, quarantineMs)
-- Output  the port as a number, or nil when all are leased or in quarantine
-- Events  none
local function leasePort(ports, from, to, owner, shared, instanceId, nowMs, quarantineMs)
  local held = redis.call('HGET', ports .. ':holders', instanceId)
  if held then return tonumber(held) end

  local port = shared and tonumber(redis.call('HGET', ports .. ':shared', owner) or nil)
  if not port then
    redis.call('ZREMRANGEBYSCORE', ports .. ':freed', '-inf', nowMs - quarantineMs)
    local taken = {}
    for _, leased in ipairs(redis.call('HKEYS', ports)) do taken[tonumber(leased)] = true end
    for _, resting in ipairs(redis.call('ZRANGE', ports .. ':freed', 0, -1)) do taken[tonumber(resting)] = true end

    local size = to - from + 1
    local start = tonumber(redis.call('GET', ports .. ':next') or from)
    if start < from or start > to then start = from end
    for step = 0, size - 1 do
      local candidate = from + (start - from + step) % size
      if not taken[candidate] then
        port = candidate
        break
      end
    end
    if not port then return nil end
    redis.call('SET', ports .. ':next', port + 1)
    redis.call('HSET', ports, port, owner)
    if shared then redis.call('HSET', ports .. ':shared', owner, port) end
  end

  redis.call('HSET', ports .. ':holders', instanceId, port)
  redis.call('HINCRBY', ports .. ':counts', port, 1)
  return port
end
