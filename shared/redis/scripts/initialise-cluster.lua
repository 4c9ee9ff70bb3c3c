-- Sets the cluster up, once: the first caller's identity stays.
--
-- Input   KEYS  cluster, tokens
--         ARGV  name of the admin token, SHA-256 of the admin token, then fields and values of the identity
-- Output  the identity that is stored, as a list of field and value
-- Events  none
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], unpack(ARGV, 3))
  redis.call('HSET', KEYS[2], ARGV[2], ARGV[1])
end
return redis.call('HGETALL', KEYS[1])
