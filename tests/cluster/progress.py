"""Progress on the terminal: what happens, why, and for how long already."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from tests.cluster.errors import ClusterError

QUIET_SECONDS = 10.0


def say(message: str) -> None:
    """Write one line of progress to standard error."""
    print(f"genmodel cluster: {message}", file=sys.stderr, flush=True)


@contextmanager
def ticking(what: str, *, note: Callable[[], str] = lambda: "", every_seconds: float = QUIET_SECONDS) -> Iterator[None]:
    """Say every few seconds that `what` is still going on, with a note of how far it is."""
    over = Event()
    started = time.monotonic()

    def tick() -> None:
        while not over.wait(every_seconds):
            say(f"{what}: {time.monotonic() - started:.0f} s so far{note()}")

    ticker = Thread(target=tick, name="progress", daemon=True)
    ticker.start()
    try:
        yield
    finally:
        over.set()
        ticker.join()


def wait_until(
    what: str, ready: Callable[[], bool], *, timeout_seconds: float, every_seconds: float = 0.1, hint: str = ""
) -> None:
    """Wait until `ready` says so; raise ClusterError with the hint after `timeout_seconds`."""
    deadline = time.monotonic() + timeout_seconds
    with ticking(f"waiting for {what}"):
        while not ready():
            if time.monotonic() > deadline:
                raise ClusterError(f"{what}: not there after {timeout_seconds:.0f} s{hint and '. ' + hint}")
            time.sleep(every_seconds)
