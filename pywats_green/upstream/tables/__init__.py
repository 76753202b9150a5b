"""The pywats API as data."""
