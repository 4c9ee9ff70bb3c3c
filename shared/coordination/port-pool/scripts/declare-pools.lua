-- Declares the pools of a host as one participant sees them, and says that the participant lives.
--
-- Input:
--   KEYS[1] pools   KEYS[2] participants   KEYS[3] rest, to be followed by a pool   KEYS[4] hosts   KEYS[5] boot
--   ARGV[1] host   ARGV[2] participant   ARGV[3] ttl of a participant in ms
--   ARGV[4] '1': never narrow a range, because the declaration is only repeated
--   ARGV[5] guard: 'data' or 'failover'
--   ARGV[6…] pool, from, to of each pool
-- Output:
--   {'declared'}
--   {'overlap', pool, other pool}              two pools of the host would share ports
--   {'other-range', pool, from, to}            another live participant declared it so
-- Events: none
--@include "server-time.lua"
--@include "../../lease/scripts/recovering.lua"
--@include "longest-silence.lua"
local pools, participants, rest = KEYS[1], KEYS[2], KEYS[3]
local host, participant, ttlMs, onlyRepeated = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'

local known = redis.call('HGETALL', pools)
local ranges = {}
for i = 1, #known, 2 do
  local from, to = string.match(known[i + 1], '^(%d+) (%d+)')
  ranges[known[i]] = { tonumber(from), tonumber(to) }
end

local othersLive = redis.call('ZCOUNT', participants, '(' .. nowMs, '+inf')
local mine = tonumber(redis.call('ZSCORE', participants, participant) or '')
if mine and mine > nowMs then
  othersLive = othersLive - 1
end
-- The others who live may be silent for longer.
local longestMs = othersLive > 0 and longestSilenceMs(pools, ttlMs) or ttlMs

local wanted = {}
for i = 6, #ARGV, 3 do
  local pool, from, to = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local range = ranges[pool]
  local grows = not range or (from <= range[1] and to >= range[2])
  if not grows and onlyRepeated then
    from, to = math.min(from, range[1]), math.max(to, range[2])
  elseif not grows and othersLive > 0 then
    return { 'other-range', pool, range[1], range[2] }
  end
  wanted[pool] = { from, to, range }
end
for pool, range in pairs(wanted) do
  for other, otherRange in pairs(ranges) do
    local against = wanted[other] or otherRange
    if other ~= pool and range[1] <= against[2] and range[2] >= against[1] then
      return { 'overlap', pool, other }
    end
  end
  for other, against in pairs(wanted) do
    if other ~= pool and range[1] <= against[2] and range[2] >= against[1] then
      return { 'overlap', pool, other }
    end
  end
end

-- Where the data is new, live participants may hold ports that are not recorded: they have one ttl to say so.
local waitMs = recoveringMs(KEYS[5], ARGV[5], nowMs, ttlMs)
local reusableFromMs = waitMs > 0 and nowMs + waitMs or 0

for pool, range in pairs(wanted) do
  local from, to, earlier = range[1], range[2], range[3]
  local key = rest .. pool
  local members = {}
  local function flush()
    if #members > 0 then
      redis.call('ZADD', key, 'NX', unpack(members))
    end
    members = {}
  end
  for port = from, to do
    if not earlier or port < earlier[1] or port > earlier[2] then
      members[#members + 1] = reusableFromMs
      members[#members + 1] = port
      -- The stack of Lua holds some thousand values.
      if #members >= 2000 then
        flush()
      end
    end
  end
  flush()
  if earlier then
    members = {}
    for port = earlier[1], earlier[2] do
      if port < from or port > to then
        redis.call('ZREM', key, port)
      end
    end
  end
  redis.call('HSET', pools, pool, from .. ' ' .. to .. ' ' .. longestMs)
end
redis.call('SADD', KEYS[4], host)
redis.call('ZADD', participants, nowMs + ttlMs, participant)
return { 'declared' }
