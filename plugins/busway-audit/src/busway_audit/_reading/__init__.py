"""Reading: the lines of a trail, and whether they hold."""
