"""The command `busway`: run events through the installed plugins, and look at them."""

from busway_cli._entry import main

__all__ = ["main"]
