-- Does once whatever the other scripts do, with two keys of its own: a server that refuses any of it is out.
-- ARGV[1] is how long the keys may stay. The answer: "done clock".

redis.call('SET', KEYS[1], '0:0:0:0', 'PX', ARGV[1])
redis.call('MGET', KEYS[1])
redis.call('ZADD', KEYS[2], format('%.0f', clock), '1')
redis.call('PEXPIRE', KEYS[2], ARGV[1])
redis.call('ZCOUNT', KEYS[2], '-inf', '+inf')
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(0')
redis.call('ZREM', KEYS[2], '1')
redis.call('DEL', KEYS[1], KEYS[2])
return format('done %.0f', clock)
