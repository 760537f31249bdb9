"""What the engine needs besides weights and cache, and what is left of a device for the cache."""
