-- KEYS[1]: the bucket. ARGV: microseconds for one request to come back, requests in a full bucket.
-- Returns whether it passed, how many more may follow at once, and otherwise after how many microseconds one may.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + interval
local earliest = full_at - interval * burst
if earliest > now then
    return {0, 0, earliest - now}
end
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
return {1, math.floor((now - earliest) / interval), 0}
