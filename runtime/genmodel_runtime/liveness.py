"""Liveness by forward progress: an engine that holds requests must make steps."""

from genmodel_runtime.metrics import EngineSample

_SILENCE_FACTOR = 2


class StallDetector:
    """Decides from successive looks at the engine's load whether it hangs.

    A slow answer is no hang: a busy engine answers late but goes on. Two things are: requests
    running and not one step for ``stall_seconds``, and no answer at all for twice as long.
    Times are monotonic seconds.
    """

    def __init__(self, *, stall_seconds: float, now: float) -> None:
        self._stall_seconds = stall_seconds
        self._answered_at = now
        self._progress_at = now
        self._iterations: int | None = None

    def observe(self, sample: EngineSample, *, now: float) -> str:
        """Take an answer; return why the engine hangs, empty while it does not."""
        self._answered_at = now
        if sample.running == 0 or sample.iterations != self._iterations:
            self._iterations = sample.iterations
            self._progress_at = now
        stalled = now - self._progress_at
        if stalled < self._stall_seconds:
            return ""
        return f"{sample.running} requests were running and the engine made no step for {stalled:.0f} s"

    def observe_silence(self, *, now: float) -> str:
        """Take a missing answer; return why the engine hangs, empty while it does not."""
        silent = now - self._answered_at
        if silent < self._stall_seconds * _SILENCE_FACTOR:
            return ""
        return f"the engine has not answered for {silent:.0f} s"
