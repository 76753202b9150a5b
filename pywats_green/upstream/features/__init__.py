"""What users call beside pywats itself."""
