-- Prolongs locks for their holder, all or none; never makes one anew.
--
-- Input:
--   ARGV[1] prefix   ARGV[2] guard   ARGV[3] holder   ARGV[4] time limit in ms   ARGV[5…] names
-- Output: {'renewed', epoch}, {'expired'} (nobody holds one of them) or {'taken'} (another does)
-- Events: none
--@include "lock-queue.lua"
local names = namesFrom(5)
local epoch
local values = {}
for _, name in ipairs(names) do
  local value = redis.call('GET', lockKey(name))
  if not value then
    return { 'expired' }
  end
  if not isOf(value, ARGV[3]) then
    return { 'taken' }
  end
  epoch = string.match(value, '^%S+ (%d+)')
  values[name] = value
end
for _, name in ipairs(names) do
  prolong(name, values[name], ARGV[4])
end
return { 'renewed', epoch }
