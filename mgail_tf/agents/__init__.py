"""The algorithms, one a file, read from top to bottom."""
