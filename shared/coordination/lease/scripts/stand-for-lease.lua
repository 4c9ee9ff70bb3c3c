-- Takes a lease for a candidate when it is the first in line, else keeps its place in line.
--
-- Input:
--   KEYS[1] lease   KEYS[2] epoch   KEYS[3] boot   KEYS[4] line   KEYS[5] seen
--   ARGV[1] token, the same again when an earlier try had no answer
--   ARGV[2] limit in ms, also the time for which nothing is given out after the data was lost
--   ARGV[3] guard, 'data' or 'failover'
--   ARGV[4] candidate   ARGV[5] ms without a sign of life after which a candidate is dead and loses its place
--   ARGV[6] wake channel
-- Output:
--   {'acquired', epoch}       the token holds the lease, since now or since an earlier try; the candidate is out of the line
--   {'held', ms, rank}        another holds it, for that long at most if it does not renew, or 0: it is free, and others are
--                             before; rank 0 is the first in line
--   {'recovering', ms, rank}  the data is new: a lease from before may still be believed in for that long
-- Events: 'elected' published on the wake channel, when the lease is given out
--@include "grant-lease.lua"
local lease, epoch, boot, line, seen = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local token, limitMs, guard, candidate, keptMs = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], tonumber(ARGV[5])

local holder = redis.call('GET', lease)
if holder == token then
  redis.call('PEXPIRE', lease, limitMs)
  return { 'acquired', redis.call('GET', epoch) }
end

local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

redis.call('ZADD', seen, nowMs, candidate)
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', seen, '-inf', nowMs - keptMs)) do
  redis.call('ZREM', seen, dead)
  redis.call('ZREM', line, dead)
end
-- Seen in the future means that the server's clock went back: the dead among them would keep their place until that time.
for _, early in ipairs(redis.call('ZRANGEBYSCORE', seen, '(' .. string.format('%.0f', nowMs), '+inf')) do
  redis.call('ZADD', seen, nowMs, early)
end

local rank = redis.call('ZRANK', line, candidate)
if not rank then
  -- Above the last one, so that two tickets are never the same and a clock that went back lets nobody in before.
  local last = redis.call('ZRANGE', line, -1, -1, 'WITHSCORES')[2]
  local nowMicros = tonumber(time[1]) * 1000000 + tonumber(time[2])
  local ticket = math.max(nowMicros, tonumber(last or '0') + 1)
  redis.call('ZADD', line, string.format('%.0f', ticket), candidate)
  rank = redis.call('ZRANK', line, candidate)
end

local waitMs = recoveringMs(boot, guard, nowMs, limitMs)
if waitMs > 0 then
  return { 'recovering', waitMs, rank }
end
if holder then
  return { 'held', leftOfLeaseMs(lease, limitMs), rank }
end
if rank > 0 then
  return { 'held', 0, rank }
end
redis.call('ZREM', line, candidate)
redis.call('ZREM', seen, candidate)
local nextEpoch = grantLease(lease, epoch, token, limitMs, time)
redis.call('PUBLISH', ARGV[6], 'elected')
return { 'acquired', nextEpoch }
