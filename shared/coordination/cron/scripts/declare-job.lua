-- Says that an instance declares a job, and tells how the job stands. The newest declaration is in force.
--
-- Input:
--   KEYS[1] job   KEYS[2] jobs   KEYS[3] hosts   KEYS[4] requests
--   ARGV[1] the job's name   ARGV[2] member: participant and identity
--   ARGV[3] time in ms for which the word is good   ARGV[4] definition, JSON
--   ARGV[5] when this instance declared it first, in ms of the server's clock; empty the first time
--   ARGV[6] wake channel
--   ARGV[7] '1' where another server may have taken over without the last writes
-- Output:
--   {declaredAt, lastTick, paused, isInForce, asked, now}   instants in ms; asked is 1 where runs were asked for by hand
-- Events: the job's name on the wake channel when another definition came into force
--@include "server-time.lua"
local job, now = KEYS[1], whole(nowMs)
local definition, declaredAt = ARGV[4], ARGV[5]
local inForce, inForceAt, last, paused, server =
  unpack(redis.call('HMGET', job, 'definition', 'declaredAt', 'lastTick', 'paused', 'server'))
-- Two first declarations are never of the same instant, or each would take the other's place for ever.
if declaredAt == '' then
  declaredAt = whole(math.max(nowMs, tonumber(inForceAt or '0') + 1))
end

local runId = ARGV[7] == '1' and redis.call('INFO', 'server'):match('run_id:(%w+)') or ''
if not last or server ~= runId then
  -- The job is new, or its record was lost, or comes from a server that may lack the last writes: it starts now.
  last = whole(math.max(tonumber(last or '0'), nowMs))
  redis.call('HSET', job, 'lastTick', last, 'server', runId)
end
if inForce ~= definition then
  if not inForceAt or tonumber(declaredAt) > tonumber(inForceAt) then
    -- What was due by the old schedule is past, and the new one was not in force before now.
    if inForce then
      last = whole(math.max(tonumber(last), nowMs))
    end
    redis.call('HSET', job, 'definition', definition, 'declaredAt', declaredAt, 'lastTick', last)
    inForce = definition
    redis.call('PUBLISH', ARGV[6], ARGV[1])
  end
elseif tonumber(declaredAt) > tonumber(inForceAt) then
  redis.call('HSET', job, 'declaredAt', declaredAt)
end

redis.call('SADD', KEYS[2], ARGV[1])
redis.call('ZADD', KEYS[3], whole(nowMs + tonumber(ARGV[3])), ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
return {
  declaredAt, last, paused == '1' and 1 or 0, inForce == definition and 1 or 0,
  redis.call('EXISTS', KEYS[4]), now
}
