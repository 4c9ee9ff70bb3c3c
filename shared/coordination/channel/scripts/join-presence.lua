-- Makes connections of a participant present, or present again.
--
-- Input:
--   KEYS[1] participants   KEYS[2] presences   KEYS[3] presences of the participant   KEYS[4] connections of the participant
--   KEYS[5] connections of the member
--   ARGV[1] participant   ARGV[2] ttl in ms   ARGV[3] presence   ARGV[4] connection   ARGV[5] member   ARGV[6] meta, JSON
--   ARGV[7] identity   ARGV[8] 1 if it takes direct messages, else 0   ARGV[9] channel of events
-- Output: 1 if the member was nowhere before, else 0
-- Events: 'joined' published for a member that was nowhere
local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZADD', KEYS[1], string.format('%.0f', nowMs + tonumber(ARGV[2])), ARGV[1])
redis.call('SADD', KEYS[3], ARGV[3])
if redis.call('HSET', KEYS[4], ARGV[4], cjson.encode({ ARGV[5], ARGV[7], ARGV[6] })) == 1 then
  redis.call('HINCRBY', KEYS[2], ARGV[3], 1)
end
local isNew = redis.call('HSET', KEYS[5], ARGV[1] .. ' ' .. ARGV[4], cjson.encode({ ARGV[7], ARGV[6], ARGV[8] }))
if isNew == 1 and redis.call('HLEN', KEYS[5]) == 1 then
  redis.call('PUBLISH', ARGV[9], cjson.encode({ type = 'joined', member = ARGV[5], identity = ARGV[7], participantId = ARGV[1] }))
  return 1
end
return 0
