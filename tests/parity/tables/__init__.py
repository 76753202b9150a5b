"""One module per domain, each with `ROWS`: what is called, in this order, on one client."""
