-- Reads all runs in one step.
--
-- Input
--   KEYS[1] runs   KEYS[2] stops   KEYS[3] statuses
-- Output
--   { runs, stops, statuses }: hashes as lists of field and value
-- Events
--   none
return { redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2]), redis.call('HGETALL', KEYS[3]) }
