-- Takes over an allocation whose participant is dead, with a higher token.
--
-- Input:
--   KEYS[1] allocations   KEYS[2] participants   KEYS[3] boot, or KEYS[1] where the guard is 'data'   KEYS[4] pools
--   ARGV[1] id, or ''   ARGV[2] owner, looked for where no id is given   ARGV[3] participant   ARGV[4] identity
--   ARGV[5] ttl of a participant in ms
-- Output:
--   {'adopted', id, token, ports, owner, sticky key}   since now, or since an earlier try
--   {'held', ms}    its participant lives, for that long at most if it says nothing; or the server is
--                   another, and does not know for so long whether it lives
--   {'gone'}        the one that asks is unknown or late
--   {'absent'}      there is none
-- Events: none
--@include "server-time.lua"
--@include "read-record.lua"
--@include "../../lease/scripts/recovering.lua"
--@include "longest-silence.lua"
local allocations, participants = KEYS[1], KEYS[2]
local id, owner, participant = ARGV[1], ARGV[2], ARGV[3]

local mineUntilMs = tonumber(redis.call('ZSCORE', participants, participant) or '')
if not mineUntilMs or mineUntilMs <= nowMs then
  return { 'gone' }
end
local record
if id ~= '' then
  local found = redis.call('HGET', allocations, id)
  record = found and readRecord(found)
else
  local all = redis.call('HGETALL', allocations)
  for i = 1, #all, 2 do
    local candidate = readRecord(all[i + 1])
    if candidate.owner == owner and (not record or tonumber(candidate.token) > tonumber(record.token)) then
      id, record = all[i], candidate
    end
  end
end
if not record then
  return { 'absent' }
end
if record.participant ~= participant then
  local untilMs = tonumber(redis.call('ZSCORE', participants, record.participant) or '0')
  if untilMs > nowMs then
    return { 'held', untilMs - nowMs }
  end
  if KEYS[3] ~= KEYS[1] then
    local waitMs = recoveringMs(KEYS[3], 'failover', nowMs, longestSilenceMs(KEYS[4], tonumber(ARGV[5])))
    if waitMs > 0 then
      return { 'held', waitMs }
    end
  end
  record.token = string.format('%.0f', math.max(tonumber(record.token) + 1, nowMicros))
  record.participant = participant
  record.identity = ARGV[4]
  redis.call('HSET', allocations, id, writeRecord(record))
end
return { 'adopted', id, record.token, record.ports, record.owner, record.sticky }
