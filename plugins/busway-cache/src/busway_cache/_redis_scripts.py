"""What redis runs in one step: look, keep, drop and flush, as Lua scripts.

KEYS[1] is a hash, the only state there is: `run`, the run id of the server that began the epoch;
`epoch`, a random text; `loads`, raised where loads on their way are voided but no entries; and the
generations of slots, in which keys and tags are hashed. It is one hash so that it is lost as a
whole, by eviction say, and an epoch never outlives the generations that were counted in it.

Every script begins by comparing run ids: a server that has been started again, or another that has
taken its place, may know entries and generations of some time ago, so nothing of it is believed.
The run id is asked for within the script, not once a connection, so that no command can run
between a restart and the comparison.

An entry is `busway1 EPOCH SLOT=GENERATION,…`, a line feed, and the encoded value. It is valid in
its epoch, as long as no generation in it has been raised; that it was deleted is not relied upon.

They need redis 5 or later, and use keys that they were not told of: no redis cluster.
"""

from __future__ import annotations

from hashlib import sha1
from typing import Final

__all__ = ["DIGESTS", "DROP", "FLUSH", "KEEP", "LOADS", "LOOK"]

# ARGV[1]: the name of a new epoch, should one begin.
_BEGIN: Final = """
local function begin()
    local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
    redis.call('DEL', KEYS[1])
    redis.call('HSET', KEYS[1], 'run', run, 'epoch', ARGV[1])
end
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if redis.call('HGET', KEYS[1], 'run') ~= run then begin() end
"""

# ARGV[2...]: the slots of the key and its tags. The token, the value or nil, and the time.
LOOK: Final = (
    _BEGIN
    + """
local token = redis.call('HMGET', KEYS[1], 'epoch', 'loads', unpack(ARGV, 2))
local entry = redis.pcall('GET', KEYS[2])
local value = false
if type(entry) == 'string' then
    local epoch, slots, start = string.match(entry, '^busway1 (%x+) ([%x=%d,]+)\\n()')
    if epoch == token[1] then
        value = string.sub(entry, start)
        for slot, generation in string.gmatch(slots, '(%x+)=(%d+)') do
            if (redis.call('HGET', KEYS[1], slot) or '0') ~= generation then value = false end
        end
    end
end
for n = 1, #ARGV + 1 do token[n] = token[n] or '0' end
local now = redis.call('TIME')
return {token, value, now[1] .. '.' .. string.format('%06d', now[2])}
"""
)

# ARGV[2]: until when, in ms; ARGV[3]: the value; ARGV[4]: epoch; ARGV[5]: loads; from ARGV[6] on,
# slots and their generations by turns.
KEEP: Final = (
    _BEGIN
    + """
local slots, held = {}, {}
for n = 6, #ARGV, 2 do
    slots[#slots + 1] = ARGV[n]
    held[#held + 1] = ARGV[n] .. '=' .. ARGV[n + 1]
end
local now = redis.call('HMGET', KEYS[1], 'epoch', 'loads', unpack(slots))
if now[1] ~= ARGV[4] or (now[2] or '0') ~= ARGV[5] then return 0 end
for n = 1, #slots do
    if (now[n + 2] or '0') ~= ARGV[5 + 2 * n] then return 0 end
end
if type(redis.pcall('GET', KEYS[2])) == 'table' then return 0 end
local now = redis.call('TIME')
local left = ARGV[2] - now[1] * 1000 - math.floor(now[2] / 1000) - 1 -- it expires after that
if left < 1 then return 0 end
local head = 'busway1 ' .. ARGV[4] .. ' ' .. table.concat(held, ',') .. '\\n'
redis.call('SET', KEYS[2], head .. ARGV[3], 'PX', left)
return 1
"""
)

# KEYS[2...]: entries, then sets of the keys that bear a tag; ARGV[2]: how many entries;
# ARGV[3]: the prefix of keys; ARGV[4...]: the slots of all of them, in their order. UNLINK comes
# first, since a server that is full refuses a script that begins by asking for more.
DROP: Final = (
    _BEGIN
    + """
local prefix = ARGV[3]
for n = 2, #KEYS do
    if n > ARGV[2] + 1 and redis.call('TYPE', KEYS[n]).ok == 'set' then
        for _, key in ipairs(redis.call('SMEMBERS', KEYS[n])) do
            redis.call('UNLINK', prefix .. key)
            redis.call('HINCRBY', KEYS[1], string.sub(redis.sha1hex('key ' .. key), 1, 4), 1)
        end
    end
    redis.call('UNLINK', KEYS[n])
end
for n = 4, #ARGV do redis.call('HINCRBY', KEYS[1], ARGV[n], 1) end
return redis.status_reply('OK')
"""
)

LOADS: Final = _BEGIN + "return redis.call('HINCRBY', KEYS[1], 'loads', 1)"

FLUSH: Final = _BEGIN + "begin() return redis.status_reply('OK')"

DIGESTS: Final = {
    script: sha1(script.encode(), usedforsecurity=False).hexdigest()
    for script in (DROP, FLUSH, KEEP, LOADS, LOOK)
}
"""What redis calls them."""
