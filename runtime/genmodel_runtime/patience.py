"""How temporary errors are outlived: pauses that grow, with jitter, and the Hub's own wishes."""

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from genmodel_runtime.console import say
from genmodel_runtime.contract import ExitCode, RuntimeReason
from genmodel_runtime.meter import Meter
from genmodel_runtime.refusals import FetchFailed, TryAgain
from genmodel_runtime.state import RuntimeState
from genmodel_runtime.termination import Failure

_T = TypeVar("_T")


class Interrupted(Exception):
    """The wait was broken off because something else failed for good."""


class Patience:
    """Runs actions until they succeed; several threads share one, so that all respect a rate limit.

    The pod restarts a failed download anyway, but only with growing pauses and without the numbers
    on ``/status``; so errors that pass are waited for here, as long as ``patience_seconds`` without
    any progress.
    """

    def __init__(
        self,
        *,
        meter: Meter,
        state: RuntimeState,
        stop: threading.Event,
        patience_seconds: float,
        first_pause_seconds: float,
        longest_pause_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._meter, self._state, self._stop, self._clock = meter, state, stop, clock
        self._patience_seconds = patience_seconds
        self._first_pause_seconds = first_pause_seconds
        self._longest_pause_seconds = longest_pause_seconds
        self._not_before = clock()

    def run(self, action: Callable[[], _T]) -> _T:
        """Return what ``action`` returns once it raises no ``TryAgain``; raises ``FetchFailed``."""
        failures, received = 0, self._meter.received_bytes
        while True:
            self._wait_until(self._not_before)
            try:
                result = action()
            except TryAgain as error:
                if self._meter.received_bytes != received:
                    failures, received = 0, self._meter.received_bytes
                failures += 1
                self._endure(error, failures)
                continue
            self._meter.note_progress()
            self._state.trouble(None)
            return result

    def _endure(self, error: TryAgain, failures: int) -> None:
        pause = pause_seconds(
            failures, first=self._first_pause_seconds, longest=self._longest_pause_seconds, asked=error.after_seconds
        )
        if self._meter.seconds_without_progress() + pause > self._patience_seconds:
            raise FetchFailed(Failure(error.reason, error.message, ExitCode.TEMPORARY))
        say(f"{error.message}; next try in {pause:.0f} s")
        self._state.trouble(Failure(error.reason, error.message, ExitCode.TEMPORARY, f"next try in {pause:.0f} s"))
        until = self._clock() + pause
        if error.reason is RuntimeReason.HUB_RATE_LIMITED:
            self._not_before = max(self._not_before, until)
        self._wait_until(until)

    def _wait_until(self, moment: float) -> None:
        if self._stop.wait(max(0.0, moment - self._clock())):
            raise Interrupted


def pause_seconds(failures: int, *, first: float, longest: float, asked: float | None) -> float:
    """Return how long to wait after the ``failures``-th failure in a row, in seconds.

    Doubles from ``first`` to ``longest``, with half of it by chance so that many pods do not come
    back together; never less than the Hub ``asked`` for.
    """
    grown = min(longest, first * 2.0 ** min(failures - 1, 30))
    pause: float = grown * random.uniform(0.5, 1.0)
    return pause if asked is None else asked + pause * 0.5
