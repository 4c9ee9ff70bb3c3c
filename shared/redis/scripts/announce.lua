-- Snippet: appends events and wakes whoever waits for a change. Event ids carry the store's clock, which dates them.
--
-- Input   appendEvents(events, limit, texts); announce(version, channel, kind, nodes): kind 'desired' counts the version up,
--         'report' does not, '' says nothing; nodes is JSON text or '' for any
-- Output  announce returns the version
-- Events  those given
local function appendEvents(events, limit, texts)
  for _, text in ipairs(texts) do redis.call('XADD', events, 'MAXLEN', '~', limit, '*', 'event', text) end
end

local function announce(versionKey, channel, kind, nodes)
  local version = kind == 'desired' and redis.call('INCR', versionKey) or tonumber(redis.call('GET', versionKey) or 0)
  if kind ~= '' then
    local message = '{"version":' .. version .. ',"kind":"' .. kind .. '"'
    if nodes ~= '' then message = message .. ',"nodes":' .. nodes end
    redis.call('PUBLISH', channel, message .. '}')
  end
  return version
end

local function storeNowMs()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
