-- Fills a slot: leases the port and writes the instance in one step.
--
-- Input   KEYS  lease, epoch (of the leader's election), version, events, instances, statuses, nodes, services,
--               slots, ports, instances on the node, instances of the service, what was reported of the service
--         ARGV  channel, event limit, term, instance (flat JSON, port null), status (JSON), slot and target as text,
--               'own' | 'shared' | 'none', owner of a shared port, quarantine in ms, event of success,
--               event of exhausted ports, what is reported then
-- Output  1 written, or there already · 0 the slot is taken, or node or service gone · -1 no port left · error LEASE_LOST
-- Events  instance.assigned, or placement.failed once for as long as no port is left
--@include "check-term.lua"
--@include "lease-port.lua"
--@include "announce.lua"

local lease, epoch, version, events, instances, statuses, nodes, services, slots, ports, onNode, ofService, reported =
  unpack(KEYS)
local channel, eventLimit, term, instanceText, status, slotAndTarget, portKind, sharedOwner, quarantineMs, assigned,
  exhausted, exhaustedReason = unpack(ARGV)

if not holdsTerm(lease, epoch, term) then return redis.error_reply('LEASE_LOST term ' .. term .. ' is over') end

local instance = cjson.decode(instanceText)
if redis.call('HEXISTS', instances, instance.id) == 1 then return 1 end
local nodeText = redis.call('HGET', nodes, instance.nodeId)
local serviceText = redis.call('HGET', services, instance.service)
if not nodeText or not serviceText or cjson.decode(serviceText).deleted then return 0 end

local holder = redis.call('HGET', slots, slotAndTarget)
local holderText = holder and redis.call('HGET', instances, holder)
-- What runs on a draining node is replaced before it leaves, so that slot has two for a while.
local homeText = holderText and redis.call('HGET', nodes, cjson.decode(holderText).nodeId)
local leaves = homeText and cjson.decode(homeText).eligibility == 'draining'
if holderText and not leaves and cjson.decode(holderText).desired == 'run' then
  local state = cjson.decode(redis.call('HGET', statuses, holder)).state
  if state ~= 'stopped' and state ~= 'failed' and state ~= 'lost' then return 0 end
end

if portKind ~= 'none' then
  local range = cjson.decode(nodeText).ports
  local owner = portKind == 'shared' and sharedOwner or instance.id
  local port = leasePort(ports, range.from, range.to, owner, portKind == 'shared', instance.id, storeNowMs(),
    tonumber(quarantineMs))
  local field = 'slot:' .. string.format('%d', instance.slot)
  if not port then
    if redis.call('HGET', reported, field) ~= exhaustedReason then
      redis.call('HSET', reported, field, exhaustedReason)
      appendEvents(events, eventLimit, { exhausted })
    end
    return -1
  end
  instance.port = port
end

-- An instance is flat and its numbers have fewer than 14 digits: cjson keeps it whole.
redis.call('HSET', instances, instance.id, cjson.encode(instance))
redis.call('HSET', statuses, instance.id, status)
redis.call('HSET', slots, slotAndTarget, instance.id)
redis.call('SADD', onNode, instance.id)
redis.call('SADD', ofService, instance.id)
redis.call('HDEL', reported, 'slot:' .. string.format('%d', instance.slot))
appendEvents(events, eventLimit, { assigned })
announce(version, channel, 'desired', '["' .. instance.nodeId .. '"]')
return 1
