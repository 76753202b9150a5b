-- One gate for a fleet: who met what closes it, one probe for all, reopened step by step.
--
-- The members' own gates decide when they would admit somebody; while it is not open, each then
-- needs a pass from here as well. There is one while it is closed, once the pause is over, and two
-- after it has reopened, and one more after each success.
local gate, inside, leases = unpack(KEYS)

local me, channel, name = ARGV[1], ARGV[2], ARGV[3]
local held, want, good = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local is_probed = ARGV[7] == '1' -- one of the good answers was to the probe
local news, pause, is_limit, cause = ARGV[8], tonumber(ARGV[9]), ARGV[10] == '1', ARGV[11]
local longest, asked = ARGV[12], ARGV[13]

local LEASE = 10 -- seconds; of a member that was killed, passes are free after that
local LONGEST = 300 -- seconds that it is closed without a new reason; no pause is longer
local REOPENING = 60
local FIRST = 2

local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1e6
local state = redis.call('HMGET', gate, 'closed', 'until', 'width', 'since', 'careful', 'refused')
-- The bounds count if this server's clock was set back.
local closed, until_ = state[1] == '1', math.min(tonumber(state[2] or 0), now + LONGEST)
local width, since = tonumber(state[3] or 0), math.min(tonumber(state[4] or 0), now)
local is_careful, refused = state[5] == '1', state[6] == '1'

for _, range in ipairs({{'-inf', now}, {now + LEASE + 1, '+inf'}}) do
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', leases, range[1], range[2])) do
    redis.call('ZREM', leases, member)
    redis.call('HDEL', inside, member)
  end
end

local function tell(kind)
  redis.call('PUBLISH', channel, cjson.encode({kind = kind, from = me, server = name}))
end

local function open()
  closed, width = false, 0
  redis.call('HSET', gate, 'closed', 0, 'width', 0, 'careful', 0)
end

if news == 'new' or (news == 'old' and closed) then
  local at = now + pause
  until_ = closed and math.max(until_, at) or at
  closed = true
  local again = now < since + REOPENING -- a relapse
  is_careful = is_careful or (is_limit and (asked == '-1' or again))
  redis.call(
    'HSET', gate, 'closed', 1, 'until', until_, 'cause', cause, 'width', 0,
    'careful', is_careful and 1 or 0, 'longest', longest
  )
  redis.call('EXPIRE', gate, math.ceil(until_ - now) + LONGEST)
  tell('closed')
elseif closed and is_probed then
  closed, width, since, refused = false, FIRST, now, false
  redis.call('HSET', gate, 'closed', 0, 'width', width, 'since', since, 'refused', 0)
  redis.call('EXPIRE', gate, REOPENING)
  tell('reopened')
elseif width > 0 and good > 0 then
  if not refused and not is_careful then
    open()
    tell('open')
  else
    if not is_careful then width = width + good end
    refused = false
    redis.call('HSET', gate, 'width', width, 'refused', 0)
  end
end

local others = 0
redis.call('HDEL', inside, me)
for _, count in ipairs(redis.call('HVALS', inside)) do others = others + count end

local granted = 0
local again = 0.05
if closed then
  if now < until_ then
    again = math.max(until_ - now, again)
  elseif others + held == 0 then
    granted = math.min(want, 1)
  end
elseif width > 0 then
  granted = math.max(math.min(want, width - others - held), 0)
  if granted < want then redis.call('HSET', gate, 'refused', 1) end
end
if held + granted > 0 then
  redis.call('HSET', inside, me, held + granted)
  redis.call('ZADD', leases, now + LEASE, me)
  redis.call('EXPIRE', inside, 2 * LEASE)
  redis.call('EXPIRE', leases, 2 * LEASE)
end
local mode = closed and 'closed' or width > 0 and 'reopening' or 'open'
return {
  mode, granted, tostring(again), tostring(closed and math.max(until_ - now, 0) or 0),
  redis.call('HGET', gate, 'cause') or '', redis.call('HGET', gate, 'longest') or '0', width,
  others + held + granted
}
