-- End a job, or put it off, queue the one that follows, if any, and add its event, if any.

local queue = KEYS[1]
local events = KEYS[2] -- a stream
local following_queue = KEYS[3]
local job = ARGV[1]
local put_off_ms = ARGV[2] -- '' ends the job; 0 leaves it due when it was
local event = ARGV[3] -- or ''
local most_events = ARGV[4]
local following = ARGV[5]
local following_payload = ARGV[6]
local ttl_ms = ARGV[7] -- of that payload

-- arq's in_progress_key_prefix, retry_key_prefix and job_key_prefix
local IN_PROGRESS, TRIES, PAYLOAD = 'arq:in-progress:', 'arq:retry:', 'arq:job:'

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

-- Without a wake-up (shared/redis/enqueue.lua). The worker that has watermarked an image uploads it. A
-- watermark job that follows an upload job waits until a worker looks at the queue.
if following then
    redis.call('SET', PAYLOAD .. following, following_payload, 'PX', ttl_ms, 'NX')
    redis.call('ZADD', following_queue, 'NX', now_ms, following)
end

redis.call('DEL', IN_PROGRESS .. job)
if put_off_ms == '' then
    redis.call('DEL', TRIES .. job, PAYLOAD .. job)
    redis.call('ZREM', queue, job)
elseif put_off_ms ~= '0' then
    redis.call('ZADD', queue, 'XX', now_ms + put_off_ms, job)
end

-- As in shared/redis/enqueue.lua.
if event ~= '' then
    local added = redis.pcall('XADD', events, 'MAXLEN', '~', most_events, '*', 'item', event)
    if added.err and redis.call('TYPE', events).ok == 'stream' then redis.pcall('DEL', events) end
end
