-- One limit for a fleet: reserves slots of a sliding window, on the server's clock.
--
-- A slot in `slots` has as score the time when it is free again: far away while its request is
-- reserved or in flight, a window after its answer from then on. So a request may go now while
-- fewer than the limit are there; and one more may go when the next of the answered ones is free,
-- which is known beforehand: such slots are reserved in advance.
--
-- All arguments but the last are in one text, and so is the answer: what costs is their number.
local function key(name) return KEYS[1] .. ':' .. name end
local slots, held, wanting, members = key('slots'), key('held'), key('wanting'), key('members')
local plans, seats, about, state = key('plans'), key('seats'), key('about'), key('state')

local given, label = {}, ARGV[2]
for word in string.gmatch(ARGV[1], '%S+') do given[#given + 1] = word end
local me, gen, known, kind = given[1], tonumber(given[2]), given[3], given[4]
local limit, window = tonumber(given[5]), tonumber(given[6])
local want, next_seq = tonumber(given[7]), tonumber(given[8])
local ended = tonumber(given[9]) -- pairs of number and age follow, and then other numbers

local FAR = 1e12
local DAY = 86400
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1e6

local function number(text) return tonumber(text or 0) or 0 end

local function owner(slot) return string.match(slot, '^(%x+):') end

local function count(member, change)
  local total = redis.call('HINCRBY', held, member, change)
  if total <= 0 then redis.call('HDEL', held, member) end
  if redis.call('ZSCORE', wanting, member) then redis.call('ZADD', wanting, total, member) end
end

-- What a member may use of the limit by itself, if it was told a plan of so many parts.
local function worth(plan)
  if plan == 0 then return 0 end
  local part = limit / plan
  return part >= 1 and math.floor(part) or part
end

-- An empty server may have just been restarted: those who know better get a moment to say so.
local epoch, settled = unpack(redis.call('HMGET', state, 'epoch', 'settled'))
if not epoch then
  local info = redis.pcall('INFO', 'server')
  local uptime = type(info) == 'string' and string.match(info, 'uptime_in_seconds:(%d+)')
  epoch = string.format('%.6f', now)
  settled = now + (number(uptime or 9) < 2 and 2 or 0)
  redis.call('HSET', state, 'epoch', epoch, 'settled', settled)
end
settled = tonumber(settled)

local known_gen = tonumber(redis.call('HGET', about, 'g:' .. me))
if kind == 'ask' then
  local is_lost = redis.call('HEXISTS', about, 'q:' .. me) == 1
  if known ~= epoch or known_gen ~= gen or is_lost then return 'sync' end
elseif known_gen and gen <= known_gen then
  return 'late' -- sent before the connection broke, and overtaken
end
if known ~= '-' and known ~= epoch and settled < epoch + window then
  settled = epoch + window -- there are stamps that this server has not heard of
  redis.call('HSET', state, 'settled', settled)
end

-- If nobody was heard of for a while, it was this server that was away, and it waits for them all.
-- So it does if its clock was set: forward looks the same, and back makes their times lie ahead.
local beat = math.max(1, redis.call('ZCARD', members) / 200)
local silent = 3 * beat
local newest = tonumber(redis.call('ZREVRANGE', members, 0, 0, 'WITHSCORES')[2])
local function bring_back(set, latest)
  for _, each in ipairs(redis.call('ZRANGEBYSCORE', set, '(' .. latest, '(' .. FAR)) do
    redis.call('ZADD', set, latest, each)
  end
end
local was_set_back = newest and newest > now + beat
if was_set_back then
  bring_back(members, now)
  bring_back(slots, now + window)
  settled = now
end
local is_late = newest and (newest < now - 1.5 * beat or was_set_back)
if is_late and kind ~= 'leave' and settled < now + silent then
  settled = now + silent
  redis.call('HSET', state, 'settled', settled)
end

-- What is free by now.
local over = {}
for _, slot in ipairs(redis.call('ZRANGEBYSCORE', slots, '-inf', now)) do
  local member = owner(slot)
  over[member] = (over[member] or 0) + 1
end
if next(over) then
  redis.call('ZREMRANGEBYSCORE', slots, '-inf', now)
  for member, freed in pairs(over) do count(member, -freed) end
end

local function forget(member)
  redis.call('ZREM', members, member)
  redis.call('ZREM', wanting, member)
  redis.call('HDEL', plans, member)
  redis.call('HDEL', seats, member)
  redis.call('HDEL', about, 'g:' .. member, 'q:' .. member, 'l:' .. member)
end

local function end_all(member, at)
  for _, slot in ipairs(redis.call('ZRANGEBYSCORE', slots, FAR, '+inf')) do
    if owner(slot) == member then redis.call('ZADD', slots, at, slot) end
  end
end

-- Each is heard of every second, or less often if they are very many. Who is silent has been
-- killed, or goes on with its share, which is kept for it a while.
local kept = 0
for _, member in ipairs(redis.call('ZRANGEBYSCORE', members, '-inf', now - 1.5 * beat)) do
  if member ~= me then
    local last = tonumber(redis.call('ZSCORE', members, member))
    local gone = last + silent + window
    if last < now - silent and redis.call('HSETNX', about, 'q:' .. member, 1) == 1 then
      redis.call('ZREM', wanting, member)
      end_all(member, gone)
    end
    if gone < now and settled < now then
      forget(member)
    else
      local share = worth(number(redis.call('HGET', plans, member)))
      kept = kept + math.max(share - number(redis.call('HGET', held, member)), 0)
    end
  end
end

-- What the member tells.
if kind == 'sync' then
  redis.call('HSET', about, 'g:' .. me, gen)
  redis.call('HDEL', about, 'q:' .. me)
  local old = 0
  for _, slot in ipairs(redis.call('ZRANGE', slots, 0, -1)) do
    if owner(slot) == me then old = old + redis.call('ZREM', slots, slot) end
  end
  if old > 0 then count(me, -old) end
end
local told = 0
for index = 10, 9 + 2 * ended, 2 do
  local free_at = now - given[index + 1] + window
  if kind == 'sync' then
    told = told + redis.call('ZADD', slots, free_at, me .. ':' .. given[index])
  else
    redis.call('ZADD', slots, 'XX', free_at, me .. ':' .. given[index])
  end
end
for index = 10 + 2 * ended, #given do
  if kind == 'sync' then
    told = told + redis.call('ZADD', slots, FAR, me .. ':' .. given[index])
  else
    told = told - redis.call('ZREM', slots, me .. ':' .. given[index])
  end
end
if told ~= 0 then count(me, told) end

-- Of a limit that nobody uses any more, nothing stays.
local function keep_for_a_day()
  for _, each in ipairs({slots, held, wanting, members, plans, seats, about, state}) do
    redis.call('EXPIRE', each, DAY)
  end
end

if kind == 'leave' then
  end_all(me, now + window)
  forget(me)
  keep_for_a_day()
  return 'left'
end
redis.call('ZADD', members, now, me)
local peers = redis.call('ZCARD', members)

-- The share that it may use if this server goes away. All shares together never exceed the limit,
-- so nobody's grows before others have been told of their smaller ones; who is new asks often.
local plan = number(redis.call('HGET', plans, me))
if label ~= '' then
  redis.call('HSET', about, 'l:' .. me, label)
  if now > number(redis.call('HGET', state, 'touched')) + DAY / 24 then
    redis.call('HSET', state, 'touched', now)
    keep_for_a_day()
  end
  if redis.call('HEXISTS', seats, me) == 0 then
    local taken = {}
    for _, seat in ipairs(redis.call('HVALS', seats)) do taken[tonumber(seat)] = true end
    local seat = 0
    while taken[seat] do seat = seat + 1 end
    redis.call('HSET', seats, me, seat)
  end
  local target = peers
  if peers > limit then -- they take turns: as many as the next power of two, so that seats agree
    local top = 0
    for _, seat in ipairs(redis.call('HVALS', seats)) do top = math.max(top, tonumber(seat)) end
    target = 1
    while target <= math.max(top, limit) do target = target * 2 end
  end
  if plan ~= target then
    local promised, agree = 0, true
    local all = redis.call('HGETALL', plans)
    for index = 1, #all, 2 do
      local other = tonumber(all[index + 1])
      if all[index] ~= me then
        promised = promised + math.ceil(worth(other))
        agree = agree and (other == target or other == 0)
      end
    end
    local fits
    if peers > limit then
      fits = agree or (plan ~= 0 and worth(plan) < 1)
    else
      fits = promised + worth(target) <= limit
    end
    if fits or (plan ~= 0 and worth(target) <= worth(plan)) then plan = target end
    redis.call('HSET', plans, me, plan)
  end
end

-- Reserve. Nobody gets ahead of another who waits by more than a few slots.
local budget = math.floor(limit - kept + 1e-9)
local used = redis.call('ZCARD', slots)
local settling = math.max(settled - now, 0)
if settling > 0 then want = 0 end
local granted, starts = 0, {}
local again = math.min(math.max(window / 40, 0.02), 0.5)
if want == 0 then
  redis.call('ZREM', wanting, me)
else
  local mine = number(redis.call('HGET', held, me))
  redis.call('ZADD', wanting, mine, me)
  local rivals = redis.call('ZCARD', wanting)
  again = again + 0.002 * rivals
  local most = want
  while rivals > 1 do
    local low = redis.call('ZRANGE', wanting, 0, 1, 'WITHSCORES')
    local other, its = low[1], low[2]
    if other == me then other, its = low[3], low[4] end
    if redis.call('ZSCORE', members, other) + 1 + 3 * again >= now then
      local ahead = math.max(math.ceil(budget / (4 * rivals)), 1)
      most = math.min(want, math.max(its + ahead - mine, 0))
      break
    end
    redis.call('ZREM', wanting, other) -- it does not ask any more
    rivals = rivals - 1
  end
  if used < budget then -- beyond its own part it gets what is free bit by bit: others may come
    local part = math.max(math.ceil(budget / peers) - mine, math.ceil((budget - used) / peers))
    most = math.min(most, part)
    granted = math.min(most, budget - used)
  end
  if granted < want and budget > 0 then
    local horizon = now + math.max(math.min(window / 2, 2), window / 10)
    local first = used + granted - budget
    local last = first + math.max(most - granted, 1) - 1
    local freed = redis.call('ZRANGE', slots, first, last, 'WITHSCORES')
    for index = 2, #freed, 2 do
      local start = tonumber(freed[index])
      if start >= FAR then break end
      if start > horizon then
        again = math.max(again, start - horizon)
        break
      end
      if granted == most then break end -- others first
      granted = granted + 1
      starts[#starts + 1] = math.ceil((start - now) * 1e6)
    end
  end
  for seq = next_seq, next_seq + granted - 1 do
    redis.call('ZADD', slots, FAR, me .. ':' .. seq)
  end
  if granted > 0 then count(me, granted) end
  used = used + granted
  if granted >= want then redis.call('ZREM', wanting, me) end
end

local seat = number(redis.call('HGET', seats, me))
return string.format(
  'ok %s %.6f %.6f %d %d %d %d %d %.6f %.3f %d ', epoch, now, settling, plan, seat, peers, used,
  math.max(budget - used, 0), again, plan == 0 and 0.25 or beat, granted
) .. table.concat(starts, ' ')
