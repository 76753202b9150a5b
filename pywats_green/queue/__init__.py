"""Durable queues of reports, and what drains them."""
