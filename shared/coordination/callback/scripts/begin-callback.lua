-- Begins the processing of a callback, or says why not.
--
-- Input:
--   KEYS[1] record   KEYS[2] index of the scope   KEYS[3] boot
--   ARGV[1] token of this call, the same again when an earlier try had no answer
--   ARGV[2] SHA-256 of the body   ARGV[3] time to process in ms   ARGV[4] retention in ms
--   ARGV[5] key of the callback   ARGV[6] identity of the caller
--   ARGV[7] 1 if the caller can find out what an attempt without a result has done, else 0
--   ARGV[8] for how long after the data was lost nothing new is begun, in ms   ARGV[9] guard: 'data' or 'failover'
-- Output:
--   {'run', epoch, attempt, 0 or 1}   process it; 1: an earlier attempt ended without a result
--   {'done', answer}                  it was processed, this is the stored answer
--   {'busy', ms}                      another processes it, and is believed to for that long
--   {'recovering', ms}                the data is new: an attempt from before may still run for that long
--   {'mismatch'}                      the key came before with another body; nothing changed
--   {'unreconciled'}                  an attempt ended without a result, and ARGV[7] is 0; nothing changed
-- Events: none
--@include "../../lease/scripts/recovering.lua"
local record = KEYS[1]
local token, hash, processingMs, retentionMs = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

local stored = redis.call('HMGET', record, 'state', 'hash', 'token', 'epoch', 'attempt', 'deadlineAt', 'takenOver')
local state = stored[1]
-- A failed attempt left nothing, so nothing binds the key to its body.
if state and state ~= 'failed' and stored[2] ~= hash then
  return { 'mismatch' }
end
if state == 'done' then
  return { 'done', redis.call('HGET', record, 'answer') }
end

local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local deadlineAt = string.format('%.0f', nowMs + processingMs)

local takenOver = 0
if state == 'in-progress' then
  if stored[3] == token then
    redis.call('HSET', record, 'deadlineAt', deadlineAt)
    return { 'run', stored[4], tonumber(stored[5]), tonumber(stored[7]) }
  end
  local remainingMs = tonumber(stored[6]) - nowMs
  if remainingMs > 0 then
    -- A deadline further away than any renewal sets it means that the server's clock went back.
    if remainingMs > processingMs then
      redis.call('HSET', record, 'deadlineAt', deadlineAt)
      remainingMs = processingMs
    end
    return { 'busy', remainingMs }
  end
  if ARGV[7] ~= '1' then
    return { 'unreconciled' }
  end
  takenOver = 1
end

local graceMs = tonumber(ARGV[8])
-- A take-over waits too where the server is another: renewals of the earlier attempt may be what it lacks.
if graceMs > 0 and (not state or (ARGV[9] == 'failover')) then
  local waitMs = recoveringMs(KEYS[3], ARGV[9], nowMs, graceMs)
  if waitMs > 0 then
    return { 'recovering', waitMs }
  end
end

-- The clock keeps epochs rising even when the record was lost.
local epoch = string.format('%.0f', math.max(tonumber(stored[4] or '0') + 1, tonumber(time[1]) * 1000000 + tonumber(time[2])))
local attempt = tonumber(stored[5] or '0') + 1
local beganAt = string.format('%.0f', nowMs)
redis.call('HSET', record, 'state', 'in-progress', 'hash', hash, 'token', token, 'epoch', epoch, 'attempt', attempt,
  'deadlineAt', deadlineAt, 'takenOver', takenOver, 'beganAt', beganAt, 'identity', ARGV[6])
redis.call('PEXPIRE', record, retentionMs)
if not state then
  redis.call('ZADD', KEYS[2], beganAt, ARGV[5])
  -- Now and then is enough: what the index names and is gone is skipped by readers.
  if tonumber(time[2]) % 64 == 0 then
    redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', nowMs - retentionMs))
  end
  redis.call('PEXPIRE', KEYS[2], retentionMs)
end
return { 'run', epoch, attempt, takenOver }
