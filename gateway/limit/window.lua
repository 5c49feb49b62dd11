-- What all scripts share: the clock, and the rules of window.go, to the last token.
--
-- A counter is a string that lists its windows, "interval:index:cur:prev interval:index:cur:prev …", the one whose interval
-- was paid for last first. All times are milliseconds. Numbers are written with %.0f: tostring would round them.

local redis, tonumber, floor, min, max = redis, tonumber, math.floor, math.min, math.max
local format, gmatch, match = string.format, string.gmatch, string.match
local maxCount, maxSpans = 9007199254740991, 4

local time = redis.call('TIME')
local clock = tonumber(time[1]) * 1000 + floor(tonumber(time[2]) / 1000)

-- late is the answer to a call that comes when nobody waits for it any more: nothing was done.
local function late(deadline)
  if deadline > 0 and clock > deadline then return format('late %.0f', clock) end
end

-- rotate moves a window on to now. To an earlier time nothing rotates.
local function rotate(s, now)
  local index = floor(now / s.interval)
  if index == s.index + 1 then
    s.index, s.cur, s.prev = index, 0, s.cur
  elseif index > s.index then
    s.index, s.cur, s.prev = index, 0, 0
  end
end

-- used estimates what was used in the interval that ends now.
local function used(s, now)
  local index, cur, prev = floor(now / s.interval), s.cur, s.prev
  if index == s.index + 1 then
    cur, prev = 0, cur
  elseif index > s.index then
    return 0
  end
  local elapsed = max(0, now - max(index, s.index) * s.interval)
  return floor(prev * (s.interval - elapsed) / s.interval) + cur
end

-- usedOf is what a counter says that is used in an interval; where it has no window for that, the most of what the others say.
local function usedOf(spans, interval, now)
  local most = 0
  for i = 1, #spans do
    local u = used(spans[i], now)
    if spans[i].interval == interval then return u end
    most = max(most, u)
  end
  return most
end

-- known are the windows of a counter: none, where all have ended.
local function known(text, now)
  local spans, live = {}, false
  if text then
    for interval, index, cur, prev in gmatch(text, '(%d+):(%d+):(%d+):(%d+)') do
      local s = {interval = tonumber(interval), index = tonumber(index), cur = tonumber(cur), prev = tonumber(prev)}
      spans[#spans + 1] = s
      live = live or (s.index + 2) * s.interval > now
    end
  end
  if not live then spans = {} end
  return spans
end

-- join makes the window of an interval the first. A new one begins with the most that the others say is used.
local function join(spans, interval, now)
  for i = 1, #spans do
    if spans[i].interval == interval then
      if i > 1 then table.insert(spans, 1, table.remove(spans, i)) end
      return
    end
  end
  local cur = usedOf(spans, interval, now)
  if #spans == maxSpans then spans[maxSpans] = nil end
  table.insert(spans, 1, {interval = interval, index = floor(now / interval), cur = cur, prev = 0})
end

-- clamp is a sum that is neither below 0 nor above what can be counted.
local function clamp(count, n) return max(0, min(maxCount, count + n)) end

-- add rotates all windows to now and adds to each.
local function add(spans, n, now)
  for i = 1, #spans do
    local s = spans[i]
    rotate(s, now)
    s.cur = clamp(s.cur, n)
  end
end

local function written(spans)
  local s = spans[1]
  local text = s and format('%.0f:%.0f:%.0f:%.0f', s.interval, s.index, s.cur, s.prev) or ''
  for i = 2, #spans do
    s = spans[i]
    text = format('%s %.0f:%.0f:%.0f:%.0f', text, s.interval, s.index, s.cur, s.prev)
  end
  return text
end

-- keep writes a counter, which goes by itself when it has ended for sure, and gives what it has written.
local function keep(key, spans)
  local longest, text = 0, written(spans)
  for i = 1, #spans do longest = max(longest, spans[i].interval) end
  if longest > 0 then redis.call('SET', key, text, 'PX', 2 * longest) end
  return text
end
