"""Device memory: pools, pressure, ownership, accounting."""
