"""`python -m busway_cli` is `busway`."""

from busway_cli._entry import main

main()
