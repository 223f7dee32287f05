"""A finding of `busway doctor`."""

from __future__ import annotations

from dataclasses import asdict, dataclass

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with the installation, or may be.

    Attributes:
        check: what was looked at.
        culprit: the distribution, plugin, file or variable at fault.
        problem: what is wrong.
        remedy: what to do; "" where the problem says it.
        certain: whether it is wrong; if not, the remedy says when it is.
    """

    check: str
    culprit: str
    problem: str
    remedy: str = ""
    certain: bool = True

    def to_dict(self) -> dict[str, object]:
        """As JSON has it."""
        return asdict(self)
