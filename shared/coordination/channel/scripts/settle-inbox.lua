-- Says of messages of an inbox that they were delivered, or that they were not.
--
-- Input:
--   KEYS[1] inbox   KEYS[2] taken   KEYS[3] users   KEYS[4] names
--   ARGV[1] user   ARGV[2] `inbox <name>`   ARGV[3] 1 delivered, 0 give back   ARGV[4…] ids
-- Output: how many messages are left
-- Events: none
for index = 4, #ARGV do
  redis.call('ZREM', KEYS[2], ARGV[index])
  if ARGV[3] == '1' then
    redis.call('XDEL', KEYS[1], ARGV[index])
  end
end
local left = redis.call('XLEN', KEYS[1])
if left == 0 then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[3], ARGV[1])
  if redis.call('EXISTS', KEYS[3]) == 0 then
    redis.call('SREM', KEYS[4], ARGV[2])
  end
end
return left
