"""The report queue's adapter to pywats."""
