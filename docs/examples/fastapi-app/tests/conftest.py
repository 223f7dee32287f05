"""The fixtures of busway-testing."""

pytest_plugins = ["busway_testing"]
