"""Writing: from memory to the disk, and taking up what a crash has left there."""
