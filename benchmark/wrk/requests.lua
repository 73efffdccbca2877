-- Sends the requests of a file in turn, and reports the round as one line of JSON.
--
-- wrk … URL -- FILE [delay=MILLISECONDS] [once=REPLIES]
--   FILE   one request a line: method, path, Authorization, body, parted by tabs ("-" = none)
--   delay  each connection waits so long after a reply: a light load of a steady rate
--   once   stop after so many replies: each request of the file is sent about once

local requests = {}
local turn = 0

local function formatted(line)
  local method, path, authorization, body = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)$")
  local headers = {}
  if authorization ~= "-" then headers["Authorization"] = authorization end
  if body == "-" then
    body = nil
  else
    headers["Content-Type"] = "application/x-www-form-urlencoded"
  end
  return wrk.format(method, path, headers, body)
end

function init(args)
  local options = {}
  for i = 2, #args do
    local name, value = args[i]:match("^(%a+)=(%d+)$")
    options[name] = tonumber(value)
  end
  for line in io.lines(args[1]) do requests[#requests + 1] = formatted(line) end
  if options.delay then
    function delay() return options.delay end
  end
  if options.once then
    local replies = 0
    function response()
      replies = replies + 1
      if replies >= options.once then wrk.thread:stop() end
    end
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local e = summary.errors
  print(string.format(
    'BENCH {"requests":%d,"seconds":%.6f,"p50_ms":%.4f,"p99_ms":%.4f,"max_ms":%.4f,"non_2xx":%d,"broken":%d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    latency.max / 1e3, e.status, e.connect + e.read + e.write + e.timeout))
end
