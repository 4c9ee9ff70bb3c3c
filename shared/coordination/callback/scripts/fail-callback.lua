-- Ends an attempt without a result, so that the next delivery need not wait for its deadline.
--
-- Input:
--   KEYS[1] record
--   ARGV[1] token   ARGV[2] wake channel
--   ARGV[3] 'failed': the attempt left no effect, the next may run at once
--           'unreconciled': what an attempt did is not known, the next has to find out
-- Output: 1 if the attempt was the present one, else 0
-- Events: 'failed' published on the wake channel
local stored = redis.call('HMGET', KEYS[1], 'state', 'token')
if stored[1] ~= 'in-progress' or stored[2] ~= ARGV[1] then
  return 0
end
if ARGV[3] == 'failed' then
  redis.call('HSET', KEYS[1], 'state', 'failed')
else
  redis.call('HSET', KEYS[1], 'deadlineAt', '0', 'token', '')
end
redis.call('PUBLISH', ARGV[2], 'failed')
return 1
