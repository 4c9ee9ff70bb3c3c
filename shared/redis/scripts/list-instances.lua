-- Reads the instances that a set names, whole: what the leader wrote and what the agent reported belong together.
--
-- Input   KEYS  set of ids, instances, statuses
-- Output  list of texts: instance, status, instance, status, ...
-- Events  none
local texts = {}
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local instance = redis.call('HGET', KEYS[2], id)
  local status = redis.call('HGET', KEYS[3], id)
  if instance and status then
    texts[#texts + 1] = instance
    texts[#texts + 1] = status
  end
end
return texts
