-- Gives a lease back, so that the next holder need not wait for its end.
--
-- Input:
--   KEYS[1] lease
--   ARGV[1] token   ARGV[2] wake channel
-- Output: 1 if the token held it, else 0
-- Events: 'released' published on the wake channel
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[2], 'released')
return 1
