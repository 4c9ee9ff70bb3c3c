-- Takes a lease, with an epoch above every earlier one.
--
-- Input:
--   KEYS[1] lease   KEYS[2] epoch   KEYS[3] boot
--   ARGV[1] token, the same again when an earlier try had no answer
--   ARGV[2] ttl in ms, also the time for which nothing is given out after the data was lost
-- Output:
--   {'acquired', epoch}     the token holds the lease, since now or since an earlier try
--   {'held', ms}            another holds it, for that long at most if it does not renew
--   {'recovering', ms}      the data is new: a lease from before may still be believed in for that long
-- Events: none
local lease, epoch, boot = KEYS[1], KEYS[2], KEYS[3]
local token, ttlMs = ARGV[1], tonumber(ARGV[2])

local holder = redis.call('GET', lease)
if holder == token then
  redis.call('PEXPIRE', lease, ttlMs)
  return { 'acquired', redis.call('GET', epoch) }
end

local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local bootMs = tonumber(redis.call('GET', boot) or '')
-- A boot in the future means that the server's clock went back: wait once more from now, not until that time.
if not bootMs or bootMs > nowMs then
  bootMs = nowMs
  redis.call('SET', boot, string.format('%.0f', bootMs))
end
if nowMs - bootMs < ttlMs then
  return { 'recovering', ttlMs - (nowMs - bootMs) }
end

if holder then
  return { 'held', redis.call('PTTL', lease) }
end

-- The clock keeps epochs rising even when the counter was lost.
local nowMicros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local last = tonumber(redis.call('GET', epoch) or '0')
local nextEpoch = string.format('%.0f', math.max(last + 1, nowMicros))
redis.call('SET', epoch, nextEpoch)
redis.call('SET', lease, token, 'PX', ttlMs)
return { 'acquired', nextEpoch }
