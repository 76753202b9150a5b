"""What pywats' API is, as data."""
