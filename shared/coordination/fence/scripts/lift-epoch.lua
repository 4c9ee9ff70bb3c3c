-- Lifts a counter of epochs to what a resource has seen; never lowers it.
--
-- Input:
--   KEYS[1] epoch
--   ARGV[1] the highest token that the resource has seen
-- Output: 1 if the counter was behind, else 0
-- Events: none
if tonumber(redis.call('GET', KEYS[1]) or '0') >= tonumber(ARGV[1]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1])
return 1
