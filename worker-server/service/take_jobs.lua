-- Take jobs that are due, as arq does: set their in-progress keys, and count the try.
-- Answers id, payload and tries of each in turn.

local queue = KEYS[1]
local events = KEYS[2] -- a stream
local wake = KEYS[3] -- the list of wake-ups (shared/redis/enqueue.lua), if this queue has one
local least_due_ms = ARGV[1] -- take only what has been due for so long
local in_progress_ms = ARGV[2] -- until somebody else may take the job
local wanted = tonumber(ARGV[3])
local most_events = ARGV[4]

-- arq's in_progress_key_prefix, retry_key_prefix and job_key_prefix
local IN_PROGRESS, TRIES, PAYLOAD = 'arq:in-progress:', 'arq:retry:', 'arq:job:'
local TRIES_KEPT_S = 88400 -- as arq keeps them
local PAGE, PAGES = 100, 10 -- running jobs stay at the queue's head, before those that wait

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local taken = {}

-- A payload or a count that another program wrote with another type counts as nothing.
local function take(job)
    local payload = redis.pcall('GET', PAYLOAD .. job)
    local tries = redis.pcall('INCR', TRIES .. job)
    if type(tries) ~= 'number' then
        redis.call('SET', TRIES .. job, 1)
        tries = 1
    end
    redis.call('EXPIRE', TRIES .. job, TRIES_KEPT_S)
    table.insert(taken, job)
    table.insert(taken, type(payload) == 'string' and payload or '')
    table.insert(taken, tries)
    -- As in shared/redis/enqueue.lua. What the job's media is, Redis does not know.
    local added = redis.pcall('XADD', events, 'MAXLEN', '~', most_events, '*', 'taken', job)
    if added.err and redis.call('TYPE', events).ok == 'stream' then redis.pcall('DEL', events) end
end

for page = 0, PAGES - 1 do
    local due = redis.call(
        'ZRANGEBYSCORE', queue, '-inf', now_ms - least_due_ms, 'LIMIT', page * PAGE, PAGE)
    for _, job in ipairs(due) do
        if redis.call('SET', IN_PROGRESS .. job, 1, 'PX', in_progress_ms, 'NX') then
            take(job)
            if #taken == 3 * wanted then return taken end
        end
    end
    if #due < PAGE then
        -- All jobs are taken: no wake-up is needed any more.
        if wake and redis.call('TYPE', wake).ok == 'list' then redis.call('DEL', wake) end
        return taken
    end
end
return taken
