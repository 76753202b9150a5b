"""The one room that knows pywats: which versions, what is replaced by what, and its types."""
