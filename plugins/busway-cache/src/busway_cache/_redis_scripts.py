"""What redis runs in one step: look, keep, drop and flush, as Lua scripts.

KEYS[1] is a hash, the only state there is: `run`, the run id of the server that began the epoch;
`epoch`, a number that rises and a random text; `loads`, raised where loads on their way are voided
but no entries; and the generations of slots, in which keys and tags are hashed. It is one hash so
that it is lost as a whole, by eviction say, and an epoch never outlives the generations that were
counted in it.

Every script begins by comparing run ids: a server that has been started again, or another that has
taken its place, may know entries and generations of some time ago, so nothing of it is believed.
The run id is asked for within the script, not once a connection, so that no command can run
between a restart and the comparison. A server that another stood in for meanwhile is the same as
before: it is found out by its epoch, which is older than the one that the caller knows.

An entry is `busway1 EPOCH SLOT=GENERATION,…`, a line feed, and the encoded value. It is valid in
its epoch, as long as no generation in it has been raised; that it was deleted is not relied upon.

Each answers with the epoch, then with what was asked. They need redis 5 or later, and use keys
that they were not told of: no redis cluster.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Final

__all__ = ["DIGESTS", "DROP", "FLUSH", "KEEP", "LOADS", "LOOK"]

# ARGV[1]: the epoch that the caller knows, or nothing; ARGV[2]: the text of a new one, should one
# begin. Microseconds make its number, so that it is as a rule above all that others know.
_BEGIN: Final = """
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local epoch
local function begin()
    local now = redis.call('TIME')
    local known = tonumber('0' .. string.sub(ARGV[1], 1, 13), 16)
    local number = math.max(now[1] * 1000000 + now[2], known + 1)
    epoch = string.format('%013x', number) .. ARGV[2]
    redis.call('DEL', KEYS[1])
    redis.call('HSET', KEYS[1], 'run', run, 'epoch', epoch)
end
local state = redis.call('HMGET', KEYS[1], 'run', 'epoch')
epoch = state[2]
if state[1] ~= run or not epoch or epoch < ARGV[1] then begin() end
"""

# ARGV[3...]: the slots of the key and its tags. The token, the value or nil, and the time.
LOOK: Final = (
    _BEGIN
    + """
local token = redis.call('HMGET', KEYS[1], 'epoch', 'loads', unpack(ARGV, 3))
local entry = redis.pcall('GET', KEYS[2])
local value = false
if type(entry) == 'string' then
    local of, slots, start = string.match(entry, '^busway1 (%x+) ([%x=%d,]+)\\n()')
    if of == epoch then
        value = string.sub(entry, start)
        for slot, generation in string.gmatch(slots, '(%x+)=(%d+)') do
            if (redis.call('HGET', KEYS[1], slot) or '0') ~= generation then value = false end
        end
    end
end
for n = 1, #ARGV do token[n] = token[n] or '0' end
local now = redis.call('TIME')
return {epoch, token, value, now[1] .. '.' .. string.format('%06d', now[2])}
"""
)

# ARGV[3]: until when, in ms; ARGV[4]: the value; ARGV[5]: epoch; ARGV[6]: loads; from ARGV[7] on,
# slots and their generations by turns.
KEEP: Final = (
    _BEGIN
    + """
local slots, held = {}, {}
for n = 7, #ARGV, 2 do
    slots[#slots + 1] = ARGV[n]
    held[#held + 1] = ARGV[n] .. '=' .. ARGV[n + 1]
end
local current = redis.call('HMGET', KEYS[1], 'epoch', 'loads', unpack(slots))
if epoch ~= ARGV[5] or (current[2] or '0') ~= ARGV[6] then return {epoch} end
for n = 1, #slots do
    if (current[n + 2] or '0') ~= ARGV[6 + 2 * n] then return {epoch} end
end
if type(redis.pcall('GET', KEYS[2])) == 'table' then return {epoch} end
local now = redis.call('TIME')
local left = ARGV[3] - now[1] * 1000 - math.floor(now[2] / 1000) - 1 -- it expires after that
if left < 1 then return {epoch} end
local head = 'busway1 ' .. epoch .. ' ' .. table.concat(held, ',') .. '\\n'
redis.call('SET', KEYS[2], head .. ARGV[4], 'PX', left)
return {epoch}
"""
)

# KEYS[2...]: entries, then sets of the keys that bear a tag; ARGV[3]: how many entries;
# ARGV[4]: the prefix of keys; ARGV[5...]: the slots of all of them, in their order. UNLINK comes
# first, since a server that is full refuses a script that begins by asking for more.
DROP: Final = (
    _BEGIN
    + """
for n = 2, #KEYS do
    if n > ARGV[3] + 1 and redis.call('TYPE', KEYS[n]).ok == 'set' then
        for _, key in ipairs(redis.call('SMEMBERS', KEYS[n])) do
            redis.call('UNLINK', ARGV[4] .. key)
            redis.call('HINCRBY', KEYS[1], string.sub(redis.sha1hex('key ' .. key), 1, 4), 1)
        end
    end
    redis.call('UNLINK', KEYS[n])
end
for n = 5, #ARGV do redis.call('HINCRBY', KEYS[1], ARGV[n], 1) end
return {epoch}
"""
)

LOADS: Final = _BEGIN + "redis.call('HINCRBY', KEYS[1], 'loads', 1) return {epoch}"

FLUSH: Final = _BEGIN + "begin() return {epoch}"

DIGESTS: Final = {
    script: sha1(script.encode(), usedforsecurity=False).hexdigest()
    for script in (DROP, FLUSH, KEEP, LOADS, LOOK)
}
"""What redis calls them."""
