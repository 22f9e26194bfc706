-- Queue jobs as arq's enqueue_job does, each unless it is there already. Add what they follow from
-- to the stream of events. Answers Redis' time in seconds and microseconds.

local watermark_queue = KEYS[1]
local wake = KEYS[2] -- a list: each entry wakes one worker that waits for an image
local events = KEYS[3] -- a stream
local ttl_ms = ARGV[1] -- of a payload
local most_events = ARGV[2]
local jobs = tonumber(ARGV[3])
local first_job = 4 -- in ARGV, from here on: queue, id and payload of each job
local first_event = first_job + 3 * jobs -- and then the events

local MOST_WAKES = 1000 -- that nobody waited for
local PAYLOAD = 'arq:job:' -- arq's job_key_prefix

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

for i = first_job, first_event - 1, 3 do
    local queue, job, payload = unpack(ARGV, i, i + 2)
    redis.call('SET', PAYLOAD .. job, payload, 'PX', ttl_ms, 'NX')
    redis.call('ZADD', queue, 'NX', now_ms, job)
    if queue == watermark_queue then
        redis.call('LPUSH', wake, 1)
        redis.call('LTRIM', wake, 0, MOST_WAKES - 1)
    end
end

-- Last, and by pcall: no event fails what it tells of. Readers notice a stream that was deleted.
for i = first_event, #ARGV do
    local added = redis.pcall('XADD', events, 'MAXLEN', '~', most_events, '*', 'item', ARGV[i])
    if added.err and redis.call('TYPE', events).ok == 'stream' then redis.pcall('DEL', events) end
end
return time
