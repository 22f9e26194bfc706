-- Make jobs due that are put off for longer than any should be; answers how many.

local queues = KEYS
local longest_ms = ARGV[1]
local most = ARGV[2] -- jobs to look at in each queue

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local count = 0
for _, queue in ipairs(queues) do
    local late = redis.call('ZRANGEBYSCORE', queue, now_ms + longest_ms, '+inf', 'LIMIT', 0, most)
    for _, job in ipairs(late) do redis.call('ZADD', queue, 'XX', now_ms, job) end
    count = count + #late
end
return count
