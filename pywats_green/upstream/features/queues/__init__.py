"""The report queue, told what pywats is."""
