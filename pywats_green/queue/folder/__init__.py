"""The queue on disk: files, their names, who has claimed them."""
