-- Makes an orphan of an allocation whose participant lives but does not have it: its reply was lost, or its release was. It
-- goes back only after the host has confirmed that nobody listens.
--
-- Input:
--   KEYS[1] allocations   KEYS[2] participants
--   ARGV[1] id   ARGV[2] token   ARGV[3] participant
-- Output: 1 if it was held so, else 0
-- Events: none
--@include "read-record.lua"
local found = redis.call('HGET', KEYS[1], ARGV[1])
local record = found and readRecord(found)
if not record or record.token ~= ARGV[2] or record.participant ~= ARGV[3] then
  return 0
end
record.participant = ARGV[3] .. ':left'
redis.call('ZADD', KEYS[2], 0, record.participant)
redis.call('HSET', KEYS[1], ARGV[1], writeRecord(record))
return 1
