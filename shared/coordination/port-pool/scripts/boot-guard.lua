-- Included. For how many ms nothing may be given out, because this data may lack what others still rely on: it is new, or,
-- under the guard 'failover', of a server that took over or restarted. The boot key is `<ms>` or `<ms> <run id>`.
--
-- Input: of the function: boot key, guard ('data' or 'failover'), now and grace in ms
-- Output: ms, 0 when all may be given out
-- Events: none
local function recoveringMs(bootKey, guard, nowMs, graceMs)
  local boot = redis.call('GET', bootKey)
  local bootMs = boot and tonumber(string.match(boot, '^%d+'))
  local run, isOther = string.match(boot or '', ' (%x+)$'), false
  if guard == 'failover' then
    local known = run
    run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
    isOther = known ~= run
  end
  -- A boot in the future means that the server's clock went back: wait once more from now.
  if not bootMs or bootMs > nowMs or isOther then
    bootMs = nowMs
    redis.call('SET', bootKey, string.format('%.0f', nowMs) .. (run and ' ' .. run or ''))
  end
  return math.max(0, graceMs - (nowMs - bootMs))
end
