-- Included. For how long a participant of a host may be silent and live: the longest that any of them has said, which is
-- kept with each pool, and at least what the caller knows. After another server took over nothing is taken away for so long.
--
-- Input: of the function: key of pools, the caller's ttl of a participant in ms
-- Output: ms
-- Events: none
local function longestSilenceMs(poolsKey, ttlMs)
  local longestMs = ttlMs
  for _, range in ipairs(redis.call('HVALS', poolsKey)) do
    longestMs = math.max(longestMs, tonumber(string.match(range, '^%d+ %d+ (%d+)') or '0'))
  end
  return longestMs
end
