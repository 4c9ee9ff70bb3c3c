-- Says that a participant lives: all its ports stay its own.
--
-- Input:
--   KEYS[1] participants   KEYS[2] boot, or KEYS[1] where the guard is 'data': a server that took over is seen early
--   ARGV[1] participant   ARGV[2] ttl in ms; 0 when it leaves: its ports become orphans now
-- Output:
--   {'kept', dead}    `dead` participants of the host may have left ports
--   {'late', dead}    it was taken for dead before this: look at each allocation
--   {'gone', dead}    nothing is known of it: declare the pools again
-- Events: none
--@include "server-time.lua"
--@include "../../lease/scripts/recovering.lua"
local participants, participant, ttlMs = KEYS[1], ARGV[1], tonumber(ARGV[2])
if KEYS[2] ~= KEYS[1] then
  recoveringMs(KEYS[2], 'failover', nowMs, ttlMs)
end
local untilMs = tonumber(redis.call('ZSCORE', participants, participant) or '')
local state = 'gone'
if untilMs then
  state = untilMs > nowMs and 'kept' or 'late'
  redis.call('ZADD', participants, nowMs + ttlMs, participant)
end
return { state, redis.call('ZCOUNT', participants, '-inf', nowMs) }
