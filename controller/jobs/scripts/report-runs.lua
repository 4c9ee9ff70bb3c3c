-- Takes in what a node says of its runs. Of a run that is another node's, or unknown, nothing is taken; states only advance.
--
-- Input
--   KEYS[1] runs   KEYS[2] statuses   KEYS[3] version   KEYS[4] wake channel
--   ARGV[1] node id   ARGV[2] the node, as a JSON list   then for each run: run id, rank of its state, status as JSON
-- Output
--   how many runs have changed
-- Events
--   none; whoever waits is woken when a run has changed
--@include "../../../shared/redis/scripts/announce.lua"
local changed = 0
for index = 3, #ARGV, 3 do
  local id, rank = ARGV[index], tonumber(ARGV[index + 1])
  local run = redis.call('HGET', KEYS[1], id)
  if run and run:match('^(%S+) ') == ARGV[1] then
    local last = redis.call('HGET', KEYS[2], id)
    if rank > tonumber(last and last:match('^(%d+) ') or -1) then
      redis.call('HSET', KEYS[2], id, ARGV[index + 1] .. ' ' .. ARGV[index + 2])
      changed = changed + 1
    end
  end
end
if changed > 0 then
  announce(KEYS[3], KEYS[4], 'report', ARGV[2])
end
return changed
