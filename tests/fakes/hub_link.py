"""One link that all connections of a server share."""

import threading
import time
from collections.abc import Callable

BURST_SECONDS = 0.01
"""What nobody used for so long may be sent at once; else a sender that sleeps too long gets less than the rate."""


class Link:
    """Hands out the time at which bytes may be sent, in the order in which it is asked."""

    def __init__(self, bytes_per_second: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._bytes_per_second, self._clock = bytes_per_second, clock
        self._lock = threading.Lock()
        self._free_at = 0.0

    def seconds_until_sent(self, count: int) -> float:
        """Reserve the link for so many bytes; return how long they take from now on."""
        with self._lock:
            now = self._clock()
            self._free_at = max(self._free_at, now - BURST_SECONDS) + count / self._bytes_per_second
            return max(0.0, self._free_at - now)
