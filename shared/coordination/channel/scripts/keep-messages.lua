-- Says that a consumer still works on messages, so that nobody takes them over.
--
-- Input:
--   KEYS[1] stream
--   ARGV[1] group   ARGV[2] consumer   ARGV[3] most messages that a consumer has   ARGV[4…] ids
-- Output: the ids that are still this consumer's
-- Events: none
local owned = {}
for _, pending in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', ARGV[3], ARGV[2])) do
  owned[pending[1]] = true
end
local kept = {}
for index = 4, #ARGV do
  if owned[ARGV[index]] then
    kept[#kept + 1] = ARGV[index]
  end
end
if #kept > 0 then
  local command = { 'XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, unpack(kept) }
  command[#command + 1] = 'IDLE'
  command[#command + 1] = 0
  command[#command + 1] = 'JUSTID'
  redis.call(unpack(command))
end
return kept
