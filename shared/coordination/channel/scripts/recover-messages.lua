-- Finds messages that were given to a consumer in an answer that it never got.
--
-- Input:
--   KEYS[1] stream
--   ARGV[1] group   ARGV[2] consumer   ARGV[3] most messages that a consumer has   ARGV[4…] ids that it knows of
-- Output: {{id, deliveries, message}, …}
-- Events: none
local known = {}
for index = 4, #ARGV do
  known[ARGV[index]] = true
end
local found = {}
for _, pending in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[3], ARGV[2])) do
  local id = pending[1]
  if not known[id] then
    -- Claimed from itself: the time starts again, the count stays.
    local entry = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id, 'RETRYCOUNT', pending[4])[1]
    if entry then
      found[#found + 1] = { id, pending[4], entry[2][2] }
    end
  end
end
return found
