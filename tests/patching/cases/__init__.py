"""Programs that use asyncio: each prints the same with pywats_green as without."""
