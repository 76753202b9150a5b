"""What the server holds from the start."""
