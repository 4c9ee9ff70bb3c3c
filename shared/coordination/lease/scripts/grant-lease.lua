--@include "recovering.lua"
-- Snippet: gives a lease that is free to a token, and says how long one that is not may last.
--
-- Input   leaseKey, epochKey, token; limitMs: time limit of the key; time: reply of TIME
-- Output  the new epoch, as decimal text
-- Events  none
local function grantLease(leaseKey, epochKey, token, limitMs, time)
  -- The clock keeps epochs rising even when the counter was lost.
  local nowMicros = tonumber(time[1]) * 1000000 + tonumber(time[2])
  local last = tonumber(redis.call('GET', epochKey) or '0')
  local nextEpoch = string.format('%.0f', math.max(last + 1, nowMicros))
  redis.call('SET', epochKey, nextEpoch)
  redis.call('SET', leaseKey, token, 'PX', limitMs)
  return nextEpoch
end

-- A server whose clock went back keeps keys for longer; nobody relies on a lease for more than its time limit.
local function leftOfLeaseMs(leaseKey, limitMs)
  local leftMs = redis.call('PTTL', leaseKey)
  if leftMs <= limitMs then
    return leftMs
  end
  redis.call('PEXPIRE', leaseKey, limitMs)
  return limitMs
end
