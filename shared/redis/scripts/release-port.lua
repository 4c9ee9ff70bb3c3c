-- Snippet: ends one instance's hold on its port; the last holder's end puts the port into quarantine.
--
-- Input   releasePort(ports, instanceId, nowMs): ports is the node's key of lease-port.lua
-- Output  none; an instance without a port changes nothing, so a repetition is harmless
-- Events  none
local function releasePort(ports, instanceId, nowMs)
  local port = redis.call('HGET', ports .. ':holders', instanceId)
  if not port then return end
  redis.call('HDEL', ports .. ':holders', instanceId)
  if redis.call('HINCRBY', ports .. ':counts', port, -1) > 0 then return end
  local owner = redis.call('HGET', ports, port)
  redis.call('HDEL', ports, port)
  redis.call('HDEL', ports .. ':counts', port)
  if owner then redis.call('HDEL', ports .. ':shared', owner) end
  redis.call('ZADD', ports .. ':freed', nowMs, port)
end
