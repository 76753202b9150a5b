"""What of pywats is replaced by what, and the way from a blocking call to its coroutine."""
