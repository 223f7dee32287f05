"""The statements: all that is ever done to a row.

`due` is when a row may be taken: when it is to be tried, if it waits; when its lease ends, if it
is at work. So both are found by one comparison. Of a row that is over, it is when that was.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ADD",
    "BEAT",
    "CLAIM",
    "COUNT_DEAD",
    "COUNT_LIVE",
    "DEAD",
    "DISCARD",
    "DONE",
    "FAILED",
    "FORGET",
    "HANDLERS",
    "LIST",
    "NEXT_DUE",
    "PURGE",
    "RECORD",
    "RELEASE",
    "RETRY",
    "STATES",
    "UNCLAIMED",
]

RECORD: Final = """
    INSERT INTO {table}
        (event_id, handler, type, event, state, attempts, created, due, owner, error)
    {begun}
    ON CONFLICT (event_id, handler) DO UPDATE SET
        state = 'running', attempts = {table}.attempts + 1,
        due = excluded.due, owner = excluded.owner
    WHERE {table}.state IN ('pending', 'failed')
        OR ({table}.state = 'running' AND {table}.due <= {now})
    RETURNING seq, attempts, event_id, handler"""
"""A delivery that begins now; no row comes back if it is over, or at work elsewhere."""

ADD: Final = """
    INSERT INTO {table}
        (event_id, handler, type, event, state, attempts, created, due, owner, error)
    VALUES (?, ?, ?, ?, 'pending', 0, {now}, {now}, '', '')
    ON CONFLICT (event_id, handler) DO NOTHING"""
"""A delivery that begins when the transaction has ended well."""

CLAIM: Final = """
    UPDATE {table} SET
        state = 'running', attempts = {table}.attempts + 1, owner = ?, due = {now} + ?
    WHERE seq IN (
        SELECT seq FROM {table}
        WHERE {live} AND due <= {now} AND handler {among} AND type {among}
        ORDER BY due LIMIT ? {skip_locked})
    RETURNING seq, event_id, handler, attempts, event"""

NEXT_DUE: Final = """
    SELECT due - {now} FROM {table}
    WHERE {live} AND handler {among} AND type {among} ORDER BY due LIMIT 1"""

BEAT: Final = """
    UPDATE {table} SET due = {now} + ? WHERE seq {among} AND owner = ? AND state = 'running'
    RETURNING seq"""

DONE: Final = """
    UPDATE {table} SET state = 'done', due = {now}, event = '', error = '' WHERE seq {among}"""
"""By whoever has done it, and may have lost the lease: what is done is done."""

FORGET: Final = "DELETE FROM {table} WHERE seq {among}"

FAILED: Final = "UPDATE {table} SET state = 'failed', due = {now} + ?, error = ? WHERE {mine}"

DEAD: Final = "UPDATE {table} SET state = 'dead', due = {now}, error = ? WHERE {mine}"

RELEASE: Final = """
    UPDATE {table} SET state = 'pending', attempts = attempts - 1, due = {now} + ?
    WHERE {mine}"""
"""Give it back: nothing was tried."""

COUNT_LIVE: Final = """
    SELECT count(*), coalesce(sum(CASE WHEN state = 'failed' THEN 1 ELSE 0 END), 0),
        coalesce({now} - min(created), 0)
    FROM (SELECT state, created FROM {table} WHERE {live} ORDER BY due LIMIT ?) AS oldest"""

COUNT_DEAD: Final = (
    "SELECT count(*) FROM {table} WHERE state IN ('done', 'dead') AND state = 'dead'"
)

UNCLAIMED: Final = """
    SELECT handler, type, count(*) FROM (
        SELECT handler, type FROM {table} WHERE {live} AND due <= {now} - ?
        ORDER BY due LIMIT ?) AS late
    WHERE NOT (handler {among} AND type {among}) GROUP BY handler, type ORDER BY handler, type"""

STATES: Final = """
    SELECT state, count(*), {now} - min(created) FROM {table} GROUP BY state ORDER BY state"""

HANDLERS: Final = "SELECT DISTINCT handler FROM {table} ORDER BY handler"

LIST: Final = """
    SELECT seq, event_id, type, handler, state, attempts, {now} - created, due - {now}, error
    FROM {table} WHERE state {among} AND handler {among} ORDER BY seq LIMIT ?"""

RETRY: Final = """
    UPDATE {table} SET state = 'pending', attempts = 0, due = {now}, owner = ''
    WHERE state IN ('dead', 'failed') AND (? = 1 OR seq {among}) AND handler {among}
    RETURNING seq"""

DISCARD: Final = """
    DELETE FROM {table}
    WHERE state IN ('pending', 'failed', 'dead') AND (? = 1 OR seq {among}) AND handler {among}
    RETURNING seq"""

PURGE: Final = """
    DELETE FROM {table} WHERE seq IN (
        SELECT seq FROM {table} WHERE state IN ('done', 'dead') AND state = ? AND due <= {now} - ?
        ORDER BY due LIMIT ? {skip_locked})
    RETURNING seq"""
