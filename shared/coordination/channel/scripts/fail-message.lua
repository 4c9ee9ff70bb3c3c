-- Notes that a handler failed: the message waits for its next delivery, or is buried when there were enough.
--
-- Input:
--   KEYS[1] stream   KEYS[2] stream of dead messages   KEYS[3] names
--   ARGV[1] group   ARGV[2] consumer   ARGV[3] id   ARGV[4] most deliveries; 0 buries at once
--   ARGV[5] time in ms for which it counts as left alone already   ARGV[6] reason
--   ARGV[7] `stream <name>` of the dead ones, empty to keep none   ARGV[8] their length to keep, about
-- Output: 'waiting', 'buried', or 'lost' when it is not this consumer's (any more)
-- Events: an entry in the stream of dead messages
--@include "bury.lua"
local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])[1]
if not pending then
  return 'lost'
end
if pending[4] < tonumber(ARGV[4]) then
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], 'IDLE', ARGV[5], 'JUSTID')
  return 'waiting'
end
local entry = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])[1]
local dead = { key = KEYS[2], names = KEYS[3], entry = ARGV[7], length = ARGV[8] }
bury(KEYS[1], ARGV[1], ARGV[3], entry and entry[2][2] or 'null', pending[4], ARGV[6], dead)
return 'buried'
