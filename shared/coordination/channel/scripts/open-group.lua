-- Makes a group of a stream, and the stream, where they are missing.
--
-- Input:
--   KEYS[1] stream   KEYS[2] names
--   ARGV[1] group   ARGV[2] entry after which it begins: `$` or `0`   ARGV[3] `stream <name>`
-- Output: 1 if it is new, else 0
-- Events: none
redis.call('SADD', KEYS[2], ARGV[3])
local reply = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], ARGV[2], 'MKSTREAM')
if type(reply) == 'table' and reply.err then
  if string.find(reply.err, 'BUSYGROUP', 1, true) then
    return 0
  end
  return redis.error_reply(reply.err)
end
return 1
