"""Sends what is in a queue: admission, submission, and what becomes of each report."""
