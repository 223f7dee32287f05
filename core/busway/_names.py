"""What to call a callable or a class in logs and errors, whatever comes."""

from __future__ import annotations

__all__ = ["name_of", "text_attribute", "text_of"]


def name_of(thing: object) -> str:
    """`module.qualname` of a class, function or method; of its class for anything else."""
    for candidate in (thing, type(thing)):
        module = text_attribute(candidate, "__module__")
        qualname = text_attribute(candidate, "__qualname__")
        if qualname:
            return f"{module}.{qualname}" if module else qualname
    return "unknown"


def text_of(error: BaseException) -> str:
    """`Type: message` of an exception, even of one whose `__str__` raises."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - the message of a stranger's exception
        message = "(its message cannot be shown)"
    name = type(error).__name__
    return f"{name}: {message}" if message else name


def text_attribute(thing: object, attribute: str) -> str:
    """An attribute if it is a str; "" if it is not, or there is none, or asking for it raises."""
    try:
        value = getattr(thing, attribute, None)
    except Exception:  # noqa: BLE001 - a stranger's __getattr__
        return ""
    return value if isinstance(value, str) else ""
