-- Takes the next messages of an inbox that nobody else works on.
--
-- Input:
--   KEYS[1] inbox   KEYS[2] taken
--   ARGV[1] oldest age in ms   ARGV[2] entry after which to look, `-` at first   ARGV[3] limit
--   ARGV[4] time in ms for which they are left to the caller
-- Output: {where to go on, empty at the end, {{id, message}, …}}
-- Events: none
local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('XTRIM', KEYS[1], 'MINID', string.format('%.0f', math.max(0, nowMs - tonumber(ARGV[1]))))
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', nowMs)
local from = ARGV[2] == '-' and '-' or '(' .. ARGV[2]
local entries = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', ARGV[3])
local found = {}
for _, entry in ipairs(entries) do
  if redis.call('ZADD', KEYS[2], 'NX', string.format('%.0f', nowMs + tonumber(ARGV[4])), entry[1]) == 1 then
    found[#found + 1] = { entry[1], entry[2][2] }
  end
end
if #found > 0 then
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
end
return { #entries > 0 and entries[#entries][1] or '', found }
