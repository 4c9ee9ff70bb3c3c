-- Takes a consumer out of its group: what it still has may be taken over at once.
--
-- Input:
--   KEYS[1] stream
--   ARGV[1] group   ARGV[2] consumer   ARGV[3] most messages that a consumer has
--   ARGV[4] time in ms for which they count as left alone, above any visibility   ARGV[5…] ids that were not begun
-- Output: messages left behind; when there are none the consumer is gone
-- Events: none
local unbegun = {}
for index = 5, #ARGV do
  unbegun[ARGV[index]] = true
end
local rest = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[3], ARGV[2])
for _, pending in ipairs(rest) do
  -- What was not begun was not tried: it must not be buried for that.
  local deliveries = unbegun[pending[1]] and math.max(0, pending[4] - 1) or pending[4]
  redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, pending[1], 'IDLE', ARGV[4], 'RETRYCOUNT', deliveries, 'JUSTID')
end
if #rest == 0 then
  redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
end
return #rest
