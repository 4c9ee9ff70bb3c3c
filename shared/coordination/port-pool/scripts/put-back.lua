-- Included. Puts ports of a pool among those that rest, reusable from `score`. A range that was narrowed meanwhile does not get
-- back what is outside it.
--
-- Input: of the function: key of pools, key of rest to be followed by a pool, pool, ports, score in ms
-- Output: none
-- Events: none
local function putBack(poolsKey, restKey, pool, ports, score)
  local range = redis.call('HGET', poolsKey, pool)
  if not range then
    return
  end
  local from, to = string.match(range, '^(%d+) (%d+)')
  from, to = tonumber(from), tonumber(to)
  if #ports == 1 then
    local number = tonumber(ports[1])
    if number >= from and number <= to then
      redis.call('ZADD', restKey .. pool, score, ports[1])
    end
    return
  end
  local members = {}
  for _, port in ipairs(ports) do
    local number = tonumber(port)
    if number >= from and number <= to then
      members[#members + 1] = score
      members[#members + 1] = port
    end
  end
  if #members > 0 then
    redis.call('ZADD', restKey .. pool, unpack(members))
  end
end
