-- Corrects counters and gives slots back, as Store.Settle says. KEYS[i] is what ARGV[i + 1] is about:
-- "c delta at interval"  so much more was used, or less of what was paid then; 0: a counter that has ended stays so
-- "o delta at interval"  so much was paid then by a gateway that could not say so, in that interval; 0: nobody knows
-- "z slot 0 0"           the slot is free
-- ARGV[1] is the deadline. The answer: "done clock".

local gone = late(tonumber(ARGV[1]))
if gone then return gone end

-- correct changes windows that are there. More begins one anew, where the interval is known.
local function correct(spans, delta, at, interval, now)
  if delta > 0 then
    if interval > 0 then join(spans, interval, now) end
    return add(spans, delta, now)
  end
  for i = 1, #spans do
    local s = spans[i]
    local index = floor(at / s.interval)
    if index == s.index then
      s.cur = clamp(s.cur, delta)
    elseif index == s.index - 1 then
      s.prev = clamp(s.prev, delta)
    end
  end
end

-- owe adds to the windows in which a time lies; the current one, if it lies ahead.
local function owe(spans, delta, at, interval, now)
  if interval > 0 then join(spans, interval, now) end
  for i = 1, #spans do
    local s = spans[i]
    rotate(s, now)
    local index = floor(at / s.interval)
    if index >= s.index then
      s.cur = clamp(s.cur, delta)
    elseif index == s.index - 1 then
      s.prev = clamp(s.prev, delta)
    end
  end
end

for i, key in ipairs(KEYS) do
  local op, what, at, interval = match(ARGV[i + 1], '(%a) (%-?%d+) (%d+) (%d+)')
  if op == 'z' then
    redis.call('ZREM', key, what)
  else
    local delta, now = tonumber(what), max(clock, tonumber(at))
    if op == 'o' then now = clock end
    local spans = known(redis.call('MGET', key)[1], now)
    if op == 'c' then
      correct(spans, delta, tonumber(at), tonumber(interval), now)
    else
      owe(spans, delta, tonumber(at), tonumber(interval), now)
    end
    keep(key, spans)
  end
end
return format('done %.0f', clock)
