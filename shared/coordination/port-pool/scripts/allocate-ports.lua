-- Takes ports of one or more pools of a host: all, or none.
--
-- Input:
--   KEYS[1] allocations   KEYS[2] participants   KEYS[3] rest, to be followed by a pool   KEYS[4] pools
--   KEYS[5] what the owner had last, or KEYS[1]   KEYS[6] boot, or KEYS[1] where the guard is 'data'
--   ARGV[1] id, the same again when an earlier try had no answer   ARGV[2] participant   ARGV[3] identity   ARGV[4] owner
--   ARGV[5] longest rest in ms: a port that rests longer is one of a clock that went back
--   ARGV[6] ttl of a participant in ms
--   ARGV[7…] pool and count of each pool
-- Output:
--   {'allocated', token, ports}   since now or since an earlier try; ports as `adb=5555,5556;webrtc=8080`
--   {'held'}                      another participant has this id
--   {'gone'}                      the participant is unknown or late: nothing may be given to it
--   {'recovering', ms}            the server is another: it may not know yet what others have
--   {'unknown', pool}             the host has no such pool
--   {'exhausted', pool, ms}       nothing was taken; the next port of it is reusable after `ms`, -1 if none rests
-- Events: none
--@include "server-time.lua"
--@include "read-record.lua"
--@include "../../lease/scripts/recovering.lua"
--@include "longest-silence.lua"
local allocations, participants, rest, pools = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local sticky = KEYS[5] ~= KEYS[1] and KEYS[5] or ''
local id, participant = ARGV[1], ARGV[2]

local found = redis.call('HGET', allocations, id)
if found then
  local record = readRecord(found)
  if record.participant == participant then
    return { 'allocated', record.token, record.ports }
  end
  return { 'held' }
end
local untilMs = tonumber(redis.call('ZSCORE', participants, participant) or '')
if not untilMs or untilMs <= nowMs then
  return { 'gone' }
end

if KEYS[6] ~= KEYS[1] then
  local waitMs = recoveringMs(KEYS[6], 'failover', nowMs, longestSilenceMs(pools, tonumber(ARGV[6])))
  if waitMs > 0 then
    return { 'recovering', waitMs }
  end
end

-- Of the last time: ports that nobody else had since. Those that still rest have the score that its own release gave them.
local earlier, earlierScore = {}, nil
if sticky ~= '' then
  local remembered = redis.call('GET', sticky)
  if remembered then
    local score, packed = string.match(remembered, '^(%d+) (.*)$')
    earlierScore = tonumber(score)
    eachPool(packed, function(pool, ports)
      earlier[pool] = ports
    end)
  end
end

local taken = {}
local function giveBack()
  for _, entry in ipairs(taken) do
    redis.call('ZADD', entry[1], unpack(entry[2]))
  end
end

local packed = {}
for i = 7, #ARGV, 2 do
  local pool, count = ARGV[i], tonumber(ARGV[i + 1])
  local key = rest .. pool
  local ports = {}
  for _, port in ipairs(earlier[pool] or {}) do
    if #ports < count then
      local score = tonumber(redis.call('ZSCORE', key, port) or '')
      if score and (score <= nowMs or score == earlierScore) then
        redis.call('ZREM', key, port)
        taken[#taken + 1] = { key, { score, port } }
        ports[#ports + 1] = port
      end
    end
  end
  local missing = count - #ports
  if missing > 0 then
    local popped = redis.call('ZPOPMIN', key, missing)
    if #popped > 0 then
      local back = {}
      for j = 1, #popped, 2 do
        back[j], back[j + 1] = popped[j + 1], popped[j]
        ports[#ports + 1] = popped[j]
      end
      taken[#taken + 1] = { key, back }
    end
    if #popped < missing * 2 or tonumber(popped[#popped]) > nowMs then
      giveBack()
      if redis.call('HEXISTS', pools, pool) == 0 then
        return { 'unknown', pool }
      end
      local longestMs = tonumber(ARGV[5])
      local stray = redis.call('ZRANGEBYSCORE', key, '(' .. (nowMs + longestMs), '+inf', 'LIMIT', 0, 1000)
      for _, port in ipairs(stray) do
        redis.call('ZADD', key, nowMs + longestMs, port)
      end
      local upcoming = redis.call('ZRANGEBYSCORE', key, '(' .. nowMs, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
      return { 'exhausted', pool, upcoming[2] and tonumber(upcoming[2]) - nowMs or -1 }
    end
  end
  packed[#packed + 1] = pool .. '=' .. table.concat(ports, ',')
end

local token = string.format('%.0f', nowMicros)
local ports = table.concat(packed, ';')
-- As `writeRecord` would, without its table: the instant in ms is the token, which is in microseconds, without its end.
redis.call('HSET', allocations, id, token .. '\n' .. participant .. '\n' .. string.sub(token, 1, -4) .. '\n' .. ports
  .. '\n' .. sticky .. '\n' .. ARGV[3] .. '\n' .. ARGV[4])
return { 'allocated', token, ports }
