-- Removes consumers that have been silent for long and have nothing; one that lives after all comes back by itself.
--
-- Input:
--   KEYS[1] stream
--   ARGV[1] group   ARGV[2] silence in ms
-- Output: how many
-- Events: none
local removed = 0
for _, info in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local of = {}
  for index = 1, #info, 2 do
    of[info[index]] = info[index + 1]
  end
  if of.pending == 0 and of.idle >= tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], of.name)
    removed = removed + 1
  end
end
return removed
