"""Turns the files that appear in a folder into reports of a queue."""
