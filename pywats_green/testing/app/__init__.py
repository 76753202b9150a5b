"""The server process behind `pywats_green.testing.WatsServer`.

Nothing here imports pywats or gevent: it runs unpatched, in a separate process started by
`python -m pywats_green.testing.app`.
"""
