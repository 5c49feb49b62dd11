-- Takes a bill, as Store.Pay says. KEYS[i] is the counter of line i, ARGV[i + 2] the line itself.
-- ARGV[1]: "deadline at dry candidates life". ARGV[2]: what a slot would be called. A line: "kind candidate address observe
-- amount reserve limit interval". The answer: "paid clock at candidate refused", and for each line "\nfull taken counter".

local deadline, at, dry, candidates, life = match(ARGV[1], '(%d+) (%d+) (%d) (%d+) (%d+)')
local gone = late(tonumber(deadline))
if gone then return gone end
local slot, now = ARGV[2], tonumber(at)
dry, candidates, life = dry == '1', tonumber(candidates), tonumber(life)
if now == 0 then now = clock end

local found, counters, taken, lines = redis.call('MGET', unpack(KEYS)), {}, {}, {}
for i = 1, #KEYS do
  local kind, candidate, address, observe, amount, reserve, limit, interval =
    match(ARGV[i + 2], '(%a) (%-?%d+) (%d) (%d) (%d+) (%d+) (%d+) (%d+)')
  local c = {slot = kind == 's', candidate = tonumber(candidate), address = address == '1', observe = observe == '1',
    limit = tonumber(limit), interval = tonumber(interval)}
  amount, reserve = tonumber(amount), tonumber(reserve)
  local key, use = KEYS[i]
  if c.slot then
    taken[key] = taken[key] or redis.call('ZCOUNT', key, format('(%.0f', clock), '+inf')
    use, c.takes = taken[key], 1
  else
    counters[key] = counters[key] or known(found[i], now)
    use = usedOf(counters[key], c.interval, now)
    if c.observe then
      c.takes = amount + reserve
    else
      c.takes = amount + max(0, min(reserve, c.limit - use - amount))
    end
  end
  c.full = c.limit - use < max(amount, 1)
  c.refuses = c.full and not c.observe
  lines[i] = c
end

-- decide chooses the candidate and the line that refuses, and marks what is paid.
local function decide()
  local refused
  for i, c in ipairs(lines) do
    if c.candidate == -1 then
      if c.refuses then
        refused = refused or i
      else
        c.paid = not refused or c.address
      end
    end
  end
  if refused then return -1, refused end
  for i, c in ipairs(lines) do
    if c.candidate == -2 and c.refuses then return -1, i end
  end
  local full, chosen = {}, 0
  for i, c in ipairs(lines) do
    if c.candidate >= 0 and c.refuses then full[c.candidate] = full[c.candidate] or i end
  end
  while chosen < candidates and full[chosen] do chosen = chosen + 1 end
  if candidates > 0 and chosen == candidates then return -1, full[0] end
  for _, c in ipairs(lines) do
    if c.candidate == -2 or candidates > 0 and c.candidate == chosen then c.paid = true end
  end
  if candidates == 0 or dry then chosen = -1 end
  return chosen, 0
end

local candidate, refused = decide()
local texts = {}
for i, c in ipairs(lines) do
  local key = KEYS[i]
  if dry or not c.paid then
    c.takes = 0
  elseif c.slot then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', format('%.0f', clock))
    taken[key] = taken[key] + redis.call('ZADD', key, format('%.0f', clock + life), slot)
    redis.call('PEXPIRE', key, format('%.0f', 2 * life))
  else
    join(counters[key], c.interval, now)
    add(counters[key], c.takes, now)
    texts[key] = true
  end
end
for key in pairs(texts) do texts[key] = keep(key, counters[key]) end

local answer = {format('paid %.0f %.0f %d %d', clock, now, candidate, refused - 1)}
for i, c in ipairs(lines) do
  local counter
  if c.slot then counter = format('%.0f', taken[KEYS[i]]) else counter = texts[KEYS[i]] or written(counters[KEYS[i]]) end
  answer[i + 1] = format('%d %.0f %s', c.full and 1 or 0, c.takes, counter)
end
return table.concat(answer, '\n')
