"""The loop: queue, steps, errors."""
