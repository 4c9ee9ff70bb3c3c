-- One master's vote for an epoch: given once, and never for a lower one afterwards.
--
-- Input:
--   KEYS[1] epoch
--   ARGV[1] the epoch to accept
-- Output: 1 for a vote, else 0
-- Events: none
if tonumber(redis.call('GET', KEYS[1]) or '0') >= tonumber(ARGV[1]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1])
return 1
