"""Which parts of pywats are replaced, and how a blocking call drives its coroutine."""
