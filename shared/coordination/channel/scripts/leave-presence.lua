-- Ends the presence of one connection.
--
-- Input:
--   KEYS[1] presences   KEYS[2] presences of the participant   KEYS[3] connections of the participant
--   KEYS[4] connections of the member
--   ARGV[1] participant   ARGV[2] presence   ARGV[3] connection   ARGV[4] member   ARGV[5] identity
--   ARGV[6] channel of events   ARGV[7] reason: `left` or `expired`
-- Output: 1 if the member is nowhere now, else 0
-- Events: 'left' published for a member that is nowhere now
if redis.call('HDEL', KEYS[3], ARGV[3]) == 1 then
  if redis.call('HINCRBY', KEYS[1], ARGV[2], -1) <= 0 then
    redis.call('HDEL', KEYS[1], ARGV[2])
  end
  if redis.call('EXISTS', KEYS[3]) == 0 then
    redis.call('SREM', KEYS[2], ARGV[2])
  end
end
if redis.call('HDEL', KEYS[4], ARGV[1] .. ' ' .. ARGV[3]) == 1 and redis.call('EXISTS', KEYS[4]) == 0 then
  redis.call('PUBLISH', ARGV[6], cjson.encode({ type = 'left', member = ARGV[4], identity = ARGV[5], participantId = ARGV[1], reason = ARGV[7] }))
  return 1
end
return 0
