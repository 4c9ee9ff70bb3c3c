-- Appends a message to a stream, once for each id.
--
-- Input:
--   KEYS[1] stream   KEYS[2] names   KEYS[3] id of the message, any key when there is none
--   ARGV[1] message   ARGV[2] length to keep, about   ARGV[3] `stream <name>`
--   ARGV[4] how long the id is remembered, in ms; 0 when there is none
-- Output: {entry, 1} or, when a message with this id came before, {its entry, 0}
-- Events: the entry
local rememberMs = tonumber(ARGV[4])
if rememberMs > 0 then
  local known = redis.call('GET', KEYS[3])
  if known then
    return { known, 0 }
  end
end
local entry = redis.call('XADD', KEYS[1], 'NOMKSTREAM', 'MAXLEN', '~', ARGV[2], '*', 'm', ARGV[1])
if not entry then
  redis.call('SADD', KEYS[2], ARGV[3])
  entry = redis.call('XADD', KEYS[1], '*', 'm', ARGV[1])
end
if rememberMs > 0 then
  redis.call('SET', KEYS[3], entry, 'PX', rememberMs)
end
return { entry, 1 }
