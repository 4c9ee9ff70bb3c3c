-- Snippet: whether this data may lack what was given out before.
--
-- The boot key holds `<ms>` or `<ms> <run id>`: when this data set was first seen empty, or served by another server, in ms
-- of the server's clock. Whoever reads it takes the digits, and minds the rest or not.
--
-- Input   bootKey; guard: 'data', or 'failover' for a new wait whenever another server, or a restarted one, answers;
--         nowMs; ms: how long a holder may believe in what it has
-- Output  for how many ms nothing may be given out; 0 if it may
-- Events  none
local function recoveringMs(bootKey, guard, nowMs, ms)
  local boot = redis.call('GET', bootKey)
  local bootMs = boot and tonumber(string.match(boot, '^%d+'))
  local known = boot and string.match(boot, ' %x+$')
  local run = known or ''
  if guard == 'failover' then
    run = ' ' .. string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
  end
  local isSame = guard ~= 'failover' or known == run
  -- A boot in the future means that the server's clock went back: wait once more from now, not until that time.
  if not bootMs or bootMs > nowMs or not isSame then
    bootMs = nowMs
    redis.call('SET', bootKey, string.format('%.0f', bootMs) .. run)
  end
  return math.max(0, ms - (nowMs - bootMs))
end
