-- One master's vote for a lock.
--
-- Input:
--   KEYS[1] lock   KEYS[2] boot
--   ARGV[1] value, of one try   ARGV[2] ttl in ms, also the time for which there is no vote after the data was lost
-- Output: 2 for a vote; 0 when another holds it; -2 when the data is new and a lock from before may still be believed in
-- Events: none
local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local bootMs = tonumber(string.match(redis.call('GET', KEYS[2]) or '', '^%d+'))
-- A boot in the future means that the server's clock went back: wait once more from now, not until that time.
if not bootMs or bootMs > nowMs then
  bootMs = nowMs
  redis.call('SET', KEYS[2], string.format('%.0f', bootMs))
end
if nowMs - bootMs < tonumber(ARGV[2]) then
  return -2
end
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return 2
end
return 0
