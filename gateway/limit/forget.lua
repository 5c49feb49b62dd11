-- Drops counters. ARGV[1] is the deadline. The answer: "done clock".

local gone = late(tonumber(ARGV[1]))
if gone then return gone end
redis.call('DEL', unpack(KEYS))
return format('done %.0f', clock)
