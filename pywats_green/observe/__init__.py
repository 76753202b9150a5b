"""What operators see: the status page, health, metrics. Listeners only; no call waits for them."""
