-- Gives locks back, or leaves the line for them, and serves who is next.
--
-- Input:
--   ARGV[1] prefix   ARGV[2] guard
--   ARGV[3] holder   ARGV[4] '1' if it may stand in line
--   ARGV[5…] names
-- Output: how many of them it held
-- Events: the next holder on the channel of its participant
--@include "lock-queue.lua"
local holder = ARGV[3]
local names = namesFrom(5)
local held = 0
for _, name in ipairs(names) do
  if isOf(redis.call('GET', lockKey(name)), holder) then
    redis.call('DEL', lockKey(name))
    held = held + 1
  end
end
if ARGV[4] == '1' then
  dequeue(names, holder)
end
handOn(names)
return held
