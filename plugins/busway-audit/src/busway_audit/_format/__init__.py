"""The format: what stands on the disk, whoever writes or reads it."""
