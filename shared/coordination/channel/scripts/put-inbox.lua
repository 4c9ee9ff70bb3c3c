-- Puts a message into the inbox of a user, once for each id.
--
-- Input:
--   KEYS[1] inbox   KEYS[2] users   KEYS[3] names   KEYS[4] id of the message, any key when there is none
--   ARGV[1] message   ARGV[2] most messages   ARGV[3] oldest age in ms   ARGV[4] user   ARGV[5] `inbox <name>`
--   ARGV[6] 1 if there is an id, else 0   ARGV[7] wake channel
-- Output: {entry, 1} or, when a message with this id came before, {its entry, 0}
-- Events: 'put' published on the wake channel
if ARGV[6] == '1' then
  local known = redis.call('GET', KEYS[4])
  if known then
    return { known, 0 }
  end
end
local time = redis.call('TIME')
local untilMs = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(ARGV[3]))
local entry = redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[2], '*', 'm', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('ZADD', KEYS[2], untilMs, ARGV[4])
redis.call('SADD', KEYS[3], ARGV[5])
if ARGV[6] == '1' then
  redis.call('SET', KEYS[4], entry, 'PX', ARGV[3])
end
redis.call('PUBLISH', ARGV[7], 'put')
return { entry, 1 }
