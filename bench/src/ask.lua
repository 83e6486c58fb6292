-- Sends the requests of a file in their order, again and again: a line each, with method, path, headers and body between
-- tabs. Of so many threads each takes its own share.
local started = 0

function setup(thread)
    thread:set("number", started)
    started = started + 1
end

function init(arguments)
    local file, threads = arguments[1], tonumber(arguments[2])
    requests, place = {}, 0
    local line_number = 0
    for line in io.lines(file) do
        if line_number % threads == number then
            local method, path, headers, body = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$")
            local set = {}
            for name, value in headers:gmatch("([^:\r]+): ([^\r]*)\r") do set[name] = value end
            requests[#requests + 1] = wrk.format(method, path, set, body ~= "" and body or nil)
        end
        line_number = line_number + 1
    end
end

function request()
    place = place % #requests + 1
    return requests[place]
end

function done(summary, latency)
    local errors = summary.errors
    print(string.format("measured %d %d %d %d %d", summary.requests, summary.duration, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(99)))
end
