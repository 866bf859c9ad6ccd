-- The load of http/pubsub for wrk: signals of twenty tenants, one in ten of which asks for
-- an action, each with an id of its own, after a pause of 10 ms on average.
local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(text)
  local out = {}
  for at = 1, #text, 3 do
    local a, b, c = text:byte(at, at + 2)
    local bits = a * 65536 + (b or 0) * 256 + (c or 0)
    for place = 3, 0, -1 do
      local digit = math.floor(bits / 64 ^ place) % 64
      out[#out + 1] = digits:sub(digit + 1, digit + 1)
    end
    if not b then out[#out - 1] = "=" end
    if not c then out[#out] = "=" end
  end
  return table.concat(out)
end

local threads, sent = 0, 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init()
  math.randomseed(number + os.time())
end

function delay() return math.floor(-10 * math.log(1 - math.random()) + 0.5) end

function request()
  sent = sent + 1
  local signal = string.format(
    '{"tenant_id":"tenant-%d","metric":"cpu","value":%d,"timestamp_ms":1}',
    math.random(0, 19), math.random(0, 88))
  local body = string.format('{"message":{"messageId":"wrk-%d-%d-%d","data":"%s"}}',
    os.time(), number, sent, base64(signal))
  return wrk.format("POST", "/pubsub", nil, body)
end

function done(summary)
  print(string.format("without an answer or refused: %d", summary.errors.status
    + summary.errors.connect + summary.errors.read + summary.errors.write
    + summary.errors.timeout))
end
