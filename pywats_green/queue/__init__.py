"""Durable queues of reports, what fills them, and what drains them."""
