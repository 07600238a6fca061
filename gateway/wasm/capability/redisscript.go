package capability

import "github.com/redis/go-redis/v9"

// takeScript is limit_take in Redis or Valkey: all windows of one key, taken
// together or not at all, by the server's clock, so that those of the gateways
// do not matter. What is kept is one text: the time of the last change in
// microseconds, then for each window the shares used at that time. It ends when
// all of them would be free.
//
// KEYS[1] is the count; ARGV is the cost, then leak, unit and room of each
// window (see sharedWindow). The answer is the shares used before the cost was
// added. All numbers are whole and below 2^53, so doubles are exact.
var takeScript = redis.NewScript(`
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local cost = tonumber(ARGV[1])
local windows = (#ARGV - 1) / 3

local at, before = now, {}
local kept = redis.call('GET', KEYS[1])
if kept then
  local n = 0
  for number in string.gmatch(kept, '%d+') do
    if n == 0 then at = tonumber(number) else before[n] = tonumber(number) end
    n = n + 1
  end
end
local elapsed = math.max(0, now - at)

local used, fits = {}, cost > 0
for i = 1, windows do
  local leak, unit, room = tonumber(ARGV[3*i-1]), tonumber(ARGV[3*i]), tonumber(ARGV[3*i+1])
  used[i] = math.max(0, (before[i] or 0) - elapsed * leak)
  if used[i] + cost * unit > room then fits = false end
end
if not fits then return used end

local text, ends = string.format('%.0f', now), 1
for i = 1, windows do
  local leak, unit = tonumber(ARGV[3*i-1]), tonumber(ARGV[3*i])
  local after = used[i] + cost * unit
  text = text .. ' ' .. string.format('%.0f', after)
  ends = math.max(ends, math.ceil(after / leak / 1000))
end
redis.call('SET', KEYS[1], text, 'PX', string.format('%.0f', ends))
return used
`)
