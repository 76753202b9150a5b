"""The server's initial content."""
