"""Paths: what to call a class or a function that a plugin brings, whatever it is."""

from __future__ import annotations

__all__ = ["path_of"]


def path_of(thing: object) -> str:
    """`module.qualname` of a class, function or method; of its class for anything else."""
    for candidate in (thing, type(thing)):
        try:
            qualname: object = getattr(candidate, "__qualname__", None)
            module: object = getattr(candidate, "__module__", None)
        except Exception:  # noqa: BLE001, S112 - a stranger's __getattr__
            continue
        if isinstance(qualname, str):
            return f"{module}.{qualname}" if isinstance(module, str) else qualname
    return "unknown"
