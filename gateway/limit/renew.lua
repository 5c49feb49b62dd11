-- Keeps slots for another while. KEYS[i] is where ARGV[i + 2] is held; ARGV[1] is the deadline, ARGV[2] how long.
-- The answer: "done clock".

local gone = late(tonumber(ARGV[1]))
if gone then return gone end
local life = tonumber(ARGV[2])
for i, key in ipairs(KEYS) do
  redis.call('ZADD', key, format('%.0f', clock + life), ARGV[i + 2])
  redis.call('PEXPIRE', key, format('%.0f', 2 * life))
end
return format('done %.0f', clock)
