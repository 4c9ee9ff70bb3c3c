-- Included. The record of an allocation: token, participant, takenAt, ports, sticky key, identity, owner, one a line.
--
-- Input: of the functions: a record as text or table; ports as text
-- Output: the other form
-- Events: none
local function readRecord(text)
  local token, participant, takenAtMs, ports, sticky, identity, owner =
    string.match(text, '^(%d+)\n([^\n]*)\n(%d+)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n(.*)$')
  return {
    token = token, participant = participant, takenAtMs = takenAtMs, ports = ports,
    sticky = sticky, identity = identity, owner = owner,
  }
end

local function writeRecord(record)
  return table.concat({
    record.token, record.participant, record.takenAtMs, record.ports, record.sticky, record.identity, record.owner,
  }, '\n')
end

-- Calls `act(pool, ports)` for each pool of `adb=5555,5556;webrtc=8080`.
local function eachPool(packed, act)
  for pool, list in string.gmatch(packed, '([^=;]+)=([%d,]+)') do
    local ports = {}
    for port in string.gmatch(list, '%d+') do
      ports[#ports + 1] = port
    end
    act(pool, ports)
  end
end
