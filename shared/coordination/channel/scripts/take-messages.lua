-- Takes over messages that nobody has kept for a while, buries those delivered too often, and reads new ones.
--
-- Input:
--   KEYS[1] stream   KEYS[2] stream of dead messages   KEYS[3] names
--   ARGV[1] group   ARGV[2] consumer   ARGV[3] visibility in ms   ARGV[4] limit   ARGV[5] most deliveries
--   ARGV[6] cursor, `0-0` at first   ARGV[7] 1 to read new ones too, else 0
--   ARGV[8] `stream <name>` of the dead ones, empty to keep none   ARGV[9] their length to keep, about
-- Output: {cursor, {{id, deliveries, message}, …}, {buried id, …}}; an error that names NOGROUP when there is no group
-- Events: entries in the stream of dead messages
--@include "bury.lua"
local stream, group, consumer, limit = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[4])
local maxDeliveries, cursor = tonumber(ARGV[5]), ARGV[6]
local dead = { key = KEYS[2], names = KEYS[3], entry = ARGV[8], length = ARGV[9] }
local taken, buried = {}, {}

-- Ten rounds pass over thousands of messages that are being worked on; the cursor says where to go on.
for _ = 1, 10 do
  local reply = redis.call('XAUTOCLAIM', stream, group, consumer, ARGV[3], cursor, 'COUNT', limit - #taken)
  cursor = reply[1]
  for _, entry in ipairs(reply[2]) do
    local id, text = entry[1], entry[2][2]
    local deliveries = redis.call('XPENDING', stream, group, id, id, 1)[1][4]
    if deliveries > maxDeliveries then
      bury(stream, group, id, text, deliveries - 1, 'was delivered too often and never finished', dead)
      buried[#buried + 1] = id
    else
      taken[#taken + 1] = { id, deliveries, text }
    end
  end
  if cursor == '0-0' or #taken >= limit then
    break
  end
end

if ARGV[7] == '1' and #taken < limit then
  local reply = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', limit - #taken, 'STREAMS', stream, '>')
  for _, entry in ipairs(reply and reply[1][2] or {}) do
    taken[#taken + 1] = { entry[1], 1, entry[2][2] }
  end
end
return { cursor, taken, buried }
