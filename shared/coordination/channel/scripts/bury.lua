-- Takes a message out of a group for good and keeps it in the stream of dead ones.
--
-- Input: of the function: stream, group, id, text, deliveries, reason; `to` with key, names, entry of names (empty: keep
--        nothing) and length
-- Output: true if the message was pending in the group
-- Events: the entry in the stream of dead ones
local function bury(stream, group, id, text, deliveries, reason, to)
  if redis.call('XACK', stream, group, id) == 0 then
    return false
  end
  if to.entry ~= '' then
    redis.call('SADD', to.names, to.entry)
    redis.call('XADD', to.key, 'MAXLEN', '~', to.length, '*', 'm', text, 'id', id, 'group', group,
      'deliveries', deliveries, 'reason', reason)
  end
  return true
end
