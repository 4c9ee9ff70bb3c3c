-- One atomic step of the store: writes everything given if, and only if, nothing that the caller read has changed since.
-- Documents pass through as the caller's text: cjson would turn an empty array into an object and round large numbers.
--
-- Input   KEYS  lease, epoch (of the leader's election), version, events
--         ARGV  channel, event limit, term ('' when the writer is not the leader), kind of wake, nodes of the wake; then
--               groups, each led by its length:
--               expectations  key, field ('' for a string key), '1' | '0' for present, text
--               writes        number of words, words of the command
--               ports         key of the node's ports, instance id: to be released
--               artifacts     key of its users, user, key of the artifact: it goes with its last user
--               events        text
-- Output  { 1, version } written · { 0, version } something has changed, nothing written · error LEASE_LOST
-- Events  those given
--@include "check-term.lua"
--@include "release-port.lua"
--@include "announce.lua"

local position = 5
local function nextWord()
  position = position + 1
  return ARGV[position]
end

if not holdsTerm(KEYS[1], KEYS[2], ARGV[3]) then
  return redis.error_reply('LEASE_LOST term ' .. ARGV[3] .. ' is over')
end

for _ = 1, tonumber(nextWord()) do
  local key, field, present, text = nextWord(), nextWord(), nextWord(), nextWord()
  local stored
  if field == '' then stored = redis.call('GET', key) else stored = redis.call('HGET', key, field) end
  if stored ~= (present == '1' and text) then
    return { 0, tonumber(redis.call('GET', KEYS[3]) or 0) }
  end
end

for _ = 1, tonumber(nextWord()) do
  local words = {}
  for index = 1, tonumber(nextWord()) do words[index] = nextWord() end
  redis.call(unpack(words))
end

local nowMs = storeNowMs()
for _ = 1, tonumber(nextWord()) do
  local ports, instanceId = nextWord(), nextWord()
  releasePort(ports, instanceId, nowMs)
end

for _ = 1, tonumber(nextWord()) do
  local users, user, artifact = nextWord(), nextWord(), nextWord()
  if redis.call('SREM', users, user) == 1 and redis.call('SCARD', users) == 0 then redis.call('UNLINK', artifact) end
end

local texts = {}
for index = 1, tonumber(nextWord()) do texts[index] = nextWord() end
appendEvents(KEYS[4], ARGV[2], texts)
return { 1, announce(KEYS[3], ARGV[1], ARGV[4], ARGV[5]) }
