-- Snippet: refuses a leader whose lease is over.
--
-- Input   holdsTerm(leaseKey, epochKey, term): term as decimal text, or '' for a writer that is not the leader
-- Output  true when there is no term to check, or the lease exists and its epoch is exactly this term
-- Events  none
local function holdsTerm(leaseKey, epochKey, term)
  if term == '' then return true end
  return redis.call('EXISTS', leaseKey) == 1 and redis.call('GET', epochKey) == term
end
