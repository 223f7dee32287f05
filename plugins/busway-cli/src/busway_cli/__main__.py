"""`python -m busway_cli` is `busway`."""

from busway_cli._main import main

main()
