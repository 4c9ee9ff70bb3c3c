-- Stores the answer of a callback, for its present attempt only; the same again changes nothing.
--
-- Input:
--   KEYS[1] record   KEYS[2] index of the scope
--   ARGV[1] token   ARGV[2] SHA-256 of the body   ARGV[3] answer   ARGV[4] retention in ms
--   ARGV[5] wake channel   ARGV[6] key of the callback   ARGV[7] identity of the caller
--   ARGV[8] 1 if the answer comes from a committed row of the database, which outranks every attempt, else 0
-- Output:
--   {'completed'}        the answer is stored, since now or since an earlier try
--   {'done', answer}     a later attempt has stored this one; nothing changed
--   {'superseded'}       a later attempt is at work, or has failed; nothing changed
-- Events: 'done' published on the wake channel
local record = KEYS[1]
local stored = redis.call('HMGET', record, 'state', 'token')
local state = stored[1]
if state == 'done' then
  if stored[2] == ARGV[1] then
    return { 'completed' }
  end
  return { 'done', redis.call('HGET', record, 'answer') }
end
if state and stored[2] ~= ARGV[1] and ARGV[8] ~= '1' then
  return { 'superseded' }
end

local time = redis.call('TIME')
local nowMs = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
redis.call('HSET', record, 'state', 'done', 'token', ARGV[1], 'hash', ARGV[2], 'answer', ARGV[3], 'endedAt', nowMs)
redis.call('PEXPIRE', record, ARGV[4])
if not state then
  -- The record was lost, or the callback was processed while Redis was away.
  redis.call('HSET', record, 'beganAt', nowMs, 'identity', ARGV[7], 'attempt', 1)
  redis.call('ZADD', KEYS[2], nowMs, ARGV[6])
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
end
redis.call('PUBLISH', ARGV[5], 'done')
return { 'completed' }
