-- Says that a participant lives, and names others whose time is over.
--
-- Input:
--   KEYS[1] participants
--   ARGV[1] participant, or empty to ask for others alone   ARGV[2] ttl in ms   ARGV[3] how many others to name at most
-- Output: {'alive' | 'unknown', participant whose time is over, …}; 'unknown' when its own time was over or it is not
--         known: it has to join again, all of it
-- Events: none
local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local untilMs = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '0')
local reply = { 'unknown' }
if untilMs > nowMs then
  redis.call('ZADD', KEYS[1], string.format('%.0f', nowMs + tonumber(ARGV[2])), ARGV[1])
  reply[1] = 'alive'
end
for _, other in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', nowMs, 'LIMIT', 0, ARGV[3])) do
  if other ~= ARGV[1] then
    reply[#reply + 1] = other
  end
end
return reply
