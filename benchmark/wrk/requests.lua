-- Sends the requests of a file in turn, and reports the round as one line of JSON.
--
-- wrk … URL -- FILE [delay=MILLISECONDS] [once=REPLIES] [expect=STATUS]
--   FILE    one request a line: method, path, Authorization, body, parted by tabs ("-" = none)
--   delay   each connection waits so long after a reply: a light load of a steady rate
--   once    stop after so many replies: each request of the file is sent about once
--   expect  replies of any other status count as refused; without it those above 399

local requests = {}
local turn = 0
local threads = {}

local function formatted(line)
  local method, path, authorization, body = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)$")
  local headers = {}
  if authorization ~= "-" then headers["Authorization"] = authorization end
  if body == "-" then
    body = nil
  else
    headers["Content-Type"] = body:sub(1, 1) == "{" and "application/json" or "application/x-www-form-urlencoded"
  end
  return wrk.format(method, path, headers, body)
end

function setup(thread)
  threads[#threads + 1] = thread
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
  -- wrk collects the headers of every reply for this function, so it is there only where it is needed.
  if options.once or options.expect then
    local replies, expected = 0, options.expect
    unexpected = expected and 0
    function response(status)
      replies = replies + 1
      if expected and status ~= expected then unexpected = unexpected + 1 end
      if replies == options.once then wrk.thread:stop() end
    end
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local e, refused = summary.errors, 0
  for _, thread in ipairs(threads) do refused = refused + (thread:get("unexpected") or e.status) end
  print(string.format(
    'BENCH {"requests":%d,"seconds":%.6f,"p50_ms":%.4f,"p99_ms":%.4f,"max_ms":%.4f,"non_2xx":%d,"broken":%d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    latency.max / 1e3, refused, e.connect + e.read + e.write + e.timeout))
end
