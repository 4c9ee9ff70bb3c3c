-- Takes a lease, with an epoch above every earlier one.
--
-- Input:
--   KEYS[1] lease   KEYS[2] epoch   KEYS[3] boot
--   ARGV[1] token, the same again when an earlier try had no answer
--   ARGV[2] limit in ms, also the time for which nothing is given out after the data was lost
--   ARGV[3] guard, 'data' or 'failover'
-- Output:
--   {'acquired', epoch}     the token holds the lease, since now or since an earlier try
--   {'held', ms}            another holds it, for that long at most if it does not renew
--   {'recovering', ms}      the data is new: a lease from before may still be believed in for that long
-- Events: none
--@include "grant-lease.lua"
local lease, epoch, boot = KEYS[1], KEYS[2], KEYS[3]
local token, limitMs, guard = ARGV[1], tonumber(ARGV[2]), ARGV[3]

local holder = redis.call('GET', lease)
if holder == token then
  redis.call('PEXPIRE', lease, limitMs)
  return { 'acquired', redis.call('GET', epoch) }
end

local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local waitMs = recoveringMs(boot, guard, nowMs, limitMs)
if waitMs > 0 then
  return { 'recovering', waitMs }
end
if holder then
  return { 'held', leftOfLeaseMs(lease, limitMs) }
end
return { 'acquired', grantLease(lease, epoch, token, limitMs, time) }
