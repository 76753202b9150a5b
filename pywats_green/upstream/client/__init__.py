"""The one synchronous way of a request, which both of pywats' clients share."""
