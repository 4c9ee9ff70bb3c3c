-- Takes the ports of an orphan back, after its host has confirmed that nobody listens on them. They rest first.
--
-- Input:
--   KEYS[1] allocations   KEYS[2] participants   KEYS[3] pools   KEYS[4] rest, to be followed by a pool
--   KEYS[5] highest term known, or KEYS[1] where the caller has none   KEYS[6] boot, or KEYS[1] where the guard is 'data'
--   ARGV[1] id   ARGV[2] token that was looked at   ARGV[3] rest in ms   ARGV[4] term of the caller
--   ARGV[5] ttl of a participant in ms; of what the host's own have said the longest counts
-- Output: 'reclaimed', 'absent', 'alive' (adopted, its participant came back, or the server is another and does
--   not know yet) or 'stale' (another term began)
-- Events: none
--@include "server-time.lua"
--@include "read-record.lua"
--@include "put-back.lua"
--@include "../../lease/scripts/recovering.lua"
--@include "longest-silence.lua"
if KEYS[5] ~= KEYS[1] and tonumber(redis.call('GET', KEYS[5]) or '0') ~= tonumber(ARGV[4]) then
  return 'stale'
end
local found = redis.call('HGET', KEYS[1], ARGV[1])
if not found then
  return 'absent'
end
local record = readRecord(found)
local untilMs = tonumber(redis.call('ZSCORE', KEYS[2], record.participant) or '0')
if record.token ~= ARGV[2] or untilMs > nowMs then
  return 'alive'
end
if KEYS[6] ~= KEYS[1] and recoveringMs(KEYS[6], 'failover', nowMs, longestSilenceMs(KEYS[3], tonumber(ARGV[5]))) > 0 then
  return 'alive'
end
redis.call('HDEL', KEYS[1], ARGV[1])
eachPool(record.ports, function(pool, ports)
  putBack(KEYS[3], KEYS[4], pool, ports, nowMs + tonumber(ARGV[3]))
end)
return 'reclaimed'
