-- Queue jobs as arq's enqueue_job does, each unless it is there already.
-- Answers Redis' time in seconds and microseconds.

local watermark_queue = KEYS[1]
local wake = KEYS[2] -- a list: each entry wakes one worker that waits for an image
local ttl_ms = ARGV[1] -- of a payload
local first_job = 2 -- in ARGV, from here on: queue, id and payload of each job

local MOST_WAKES = 1000 -- that nobody waited for
local PAYLOAD = 'arq:job:' -- arq's job_key_prefix

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

for i = first_job, #ARGV, 3 do
    local queue, job, payload = unpack(ARGV, i, i + 2)
    redis.call('SET', PAYLOAD .. job, payload, 'PX', ttl_ms, 'NX')
    redis.call('ZADD', queue, 'NX', now_ms, job)
    if queue == watermark_queue then
        redis.call('LPUSH', wake, 1)
        redis.call('LTRIM', wake, 0, MOST_WAKES - 1)
    end
end
return time
