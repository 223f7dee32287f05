"""Checks of settings, each naming the setting that is wrong."""

from __future__ import annotations

from datetime import timedelta
from email.utils import getaddresses
from pathlib import Path
from typing import Final

from busway_notify._text import is_address
from busway_notify.notification import Addresses

__all__ = ["MAX_KEYS", "addresses", "file", "flag", "hosts", "seconds", "whole_number"]

MAX_KEYS: Final = 10_000_000  # gigabytes; a limit that is not reached is no limit


def whole_number(name: str, value: object, *, most: int) -> int:
    """A count.

    Raises:
        ValueError: if it is no int from 1 to `most`.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise ValueError(f"{name}: a whole number from 1 to {most} is expected, not {value!r}")
    return value


def seconds(name: str, value: object, *, zero: bool = False) -> timedelta:
    """A length of time.

    Args:
        name: of the setting.
        value: in seconds.
        zero: whether it may be 0.

    Raises:
        ValueError: if it is no number, negative, 0 where it may not be, or too long for
            a timedelta.
    """
    floor = "0 or more" if zero else "more than 0"
    problem = f"{name}: a number of seconds, {floor}, is expected, not {value!r}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(problem)  # noqa: TRY004 - a setting's error is a ValueError, whatever is wrong
    try:
        length = timedelta(seconds=value)
    except (OverflowError, ValueError) as error:
        raise ValueError(problem) from error
    if length < timedelta(0) or not (zero or length):
        raise ValueError(problem)
    return length


def file(name: str, value: object) -> Path | None:
    """A path of a file, which need not be there; None for none. A relative one is meant from here.

    Raises:
        ValueError: if it is blank, no path, or that of a folder.
    """
    if value is None:
        return None
    if not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
        raise ValueError(f"{name}: the path of a file is expected, not {value!r}")
    try:
        path = Path(value).expanduser().absolute()
    except RuntimeError as error:  # ~ of nobody
        raise ValueError(f"{name}: {value!r}: {error}") from None
    if path.is_dir():
        raise ValueError(f"{name}: {value!r} is a folder; the path of a file is expected")
    return path


def flag(name: str, value: object) -> bool:
    """A yes or no.

    Raises:
        ValueError: if it is neither.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{name}: true or false is expected, not {value!r}")  # noqa: TRY004 - as above
    return value


def hosts(name: str, value: object) -> tuple[str, ...] | None:
    """Names of hosts, or addresses; None for none.

    Raises:
        ValueError: if it is no list of them.
    """
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{name}: a list of hosts is expected, not {value!r}")
    return tuple(one.lower().strip("[]") for one in value)


def addresses(admins: object, sender: object, *, needed_by: str | None) -> Addresses:
    """The settings `admins` and `sender`.

    Args:
        admins: whom alerts are for; a list, or None for nobody.
        sender: whom notifications come from; "" for nobody.
        needed_by: the name of a channel that writes to them, if there is one.

    Raises:
        ValueError: if `admins` is no list of names or `sender` no line of text; if a channel
            writes to them, also if one is missing or no mail address.
    """
    listed = () if admins is None else admins
    if not isinstance(listed, list | tuple):
        raise ValueError(f"admins: a list of mail addresses is expected, not {admins!r}")  # noqa: TRY004 - as above
    fits = _is_name if needed_by is None else is_address
    for admin in listed:
        if not fits(admin):
            raise ValueError(f"admins: {admin!r} is not a mail address")
    if not isinstance(sender, str) or not sender.isprintable():
        raise ValueError(f"sender: one line of text is expected, not {sender!r}")
    if needed_by is not None:
        _require(needed_by, admins=bool(listed), sender=_is_mailbox(sender))
    return Addresses(tuple(listed), sender)


def _is_name(value: object) -> bool:
    return (
        isinstance(value, str) and value.isprintable() and "," not in value and value.strip() != ""
    )


def _is_mailbox(value: str) -> bool:
    """Whether it is one mail address, or a name and one in angle brackets."""
    found = getaddresses([value])
    return len(found) == 1 and is_address(found[0][1])


def _require(channel: str, **present: bool) -> None:
    for name, is_set in present.items():
        if not is_set:
            raise ValueError(
                f"{name}: the channel {channel!r} writes to people and needs a mail address here"
            )
