"""How far a download is and how fast it goes."""

import threading
import time
from collections import deque
from collections.abc import Callable

from genmodel_runtime.state import Download

_WINDOW_SECONDS = 15
_STEP_SECONDS = 0.5


class Meter:
    """Counts bytes from several threads; the rate is that of the last seconds.

    Bytes that were on the volume before count as done, never for the rate.
    """

    def __init__(self, *, total_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._total_bytes = total_bytes
        self._done_bytes = 0
        self._received_bytes = 0
        self._progress_at = self._received_at = clock()
        self._samples: deque[tuple[float, int]] = deque([(self._progress_at, 0)])

    def expect(self, total_bytes: int) -> None:
        """Set the size of everything, now that it is known."""
        with self._lock:
            self._total_bytes = total_bytes

    def count_present(self, size_bytes: int) -> None:
        """Count bytes that were on the volume already; negative where they turned out useless."""
        with self._lock:
            self._done_bytes += size_bytes

    def count_received(self, size_bytes: int) -> None:
        """Count bytes that just came."""
        now = self._clock()
        with self._lock:
            if now - self._received_at > _WINDOW_SECONDS:
                # The standstill says nothing about how fast it goes now.
                self._samples = deque([(now, self._received_bytes)])
            self._done_bytes += size_bytes
            self._received_bytes += size_bytes
            self._progress_at = self._received_at = now
            if now - self._samples[-1][0] >= _STEP_SECONDS:
                self._samples.append((now, self._received_bytes))
            while len(self._samples) > 1 and now - self._samples[1][0] >= _WINDOW_SECONDS:
                self._samples.popleft()

    def note_progress(self) -> None:
        """Take note of progress that is not bytes: an answered request."""
        with self._lock:
            self._progress_at = self._clock()

    @property
    def received_bytes(self) -> int:
        """Bytes that came over the network so far."""
        with self._lock:
            return self._received_bytes

    def seconds_without_progress(self) -> float:
        """Return how long nothing came."""
        with self._lock:
            return self._clock() - self._progress_at

    def download(self) -> Download:
        """Return the progress at this moment; rate and rest are unknown until enough came.

        After a standstill of some seconds the rate is none, and nobody knows what is left.
        """
        now = self._clock()
        with self._lock:
            started, before = self._samples[0]
            elapsed, received = now - started, self._received_bytes - before
            done, total = self._done_bytes, self._total_bytes
            stood_still = now - self._received_at > _WINDOW_SECONDS
        if elapsed < _STEP_SECONDS or not received:
            return Download(done, total)
        if stood_still:
            return Download(done, total, 0.0, 0.0 if done >= total else None)
        rate = received / elapsed
        return Download(done, total, rate, max(0, total - done) / rate)
