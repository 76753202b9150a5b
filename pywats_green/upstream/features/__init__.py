"""Public features built on pywats."""
