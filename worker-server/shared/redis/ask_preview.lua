-- Ask for a preview, unless somebody makes it or it cannot be shown: then answers that state.

local wanted = KEYS[1] -- a sorted set, by the time of the newest request
local state_key = KEYS[2]
local key = ARGV[1]
local most = tonumber(ARGV[2])
local kept_s = tonumber(ARGV[3])

local MADE = 'made'

local state = redis.call('GET', state_key)
if state and state ~= MADE then return state end
if state then redis.call('DEL', state_key) end -- made once, but its file is gone

local time = redis.call('TIME')
local now_s = time[1] + time[2] / 1000000
redis.call('ZADD', wanted, now_s, key)
redis.call('ZREMRANGEBYSCORE', wanted, '-inf', now_s - kept_s)
redis.call('ZREMRANGEBYRANK', wanted, 0, -most - 1)
return false
