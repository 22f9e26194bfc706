-- The jobs of all these queues that are in progress. In Redis, because every worker asks every
-- two seconds, and few of a long queue's jobs run.

local queues = KEYS
local most = ARGV[1] -- jobs to look at from each queue's head, where those that run stay

local IN_PROGRESS = 'arq:in-progress:' -- arq's in_progress_key_prefix

local running = {}
for _, queue in ipairs(queues) do
    for _, job in ipairs(redis.call('ZRANGE', queue, 0, most - 1)) do
        if redis.call('EXISTS', IN_PROGRESS .. job) == 1 then table.insert(running, job) end
    end
end
return running
