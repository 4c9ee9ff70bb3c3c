-- Finds where a member is connected, and sends a message there.
--
-- Input:
--   KEYS[1] connections of the member   KEYS[2] participants
--   ARGV[1] message, empty to send none   ARGV[2] what the channels of participants begin with
-- Output: {{participant, connection, JSON of identity, meta and whether it takes messages, 1 if it was reached}, …}
-- Events: the message published to each participant that takes messages for the member
local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local alive, reached, found = {}, {}, {}
local all = redis.call('HGETALL', KEYS[1])
for index = 1, #all, 2 do
  local participant, connection = string.match(all[index], '^(%S+) (%S+)$')
  if alive[participant] == nil then
    alive[participant] = tonumber(redis.call('ZSCORE', KEYS[2], participant) or '0') > nowMs
  end
  if alive[participant] then
    local isReached = 0
    if ARGV[1] ~= '' and string.sub(all[index + 1], -3) == '1"]' then
      if reached[participant] == nil then
        reached[participant] = redis.call('PUBLISH', ARGV[2] .. participant, ARGV[1])
      end
      isReached = math.min(1, reached[participant])
    end
    found[#found + 1] = { participant, connection, all[index + 1], isReached }
  end
end
return found
