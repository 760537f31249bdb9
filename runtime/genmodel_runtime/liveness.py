"""Liveness by forward progress: an engine that holds requests must make steps."""

from genmodel_runtime.metrics import EngineSample

_SILENCE_FACTOR = 2
_DOUBT_FACTOR = 0.5


class StallDetector:
    """Decides from successive looks at the engine's load whether it hangs.

    A slow answer is no hang: a busy engine answers late but goes on. Two things are: requests
    there and no sign of a step for ``stall_seconds``, and no answer at all for twice as long.
    Times are monotonic seconds.

    Requests count wherever they are. Those that the scheduler reported are stale figures once it
    hangs, and show none where it hung while idle; those under way in the HTTP server may only wait
    for a slow client. So after half of the time the engine is to be asked a small question of ours:
    the step that answers it is the proof, see ``seconds_for_proof``.
    """

    def __init__(self, *, stall_seconds: float, now: float) -> None:
        self._stall_seconds = stall_seconds
        self._answered_at = now
        self._progress_at = now
        self._signs: tuple[float, ...] | None = None

    def observe(self, sample: EngineSample, *, under_way: int, now: float) -> str:
        """Take an answer and the count of HTTP requests; return why the engine hangs, empty while it does not."""
        self._answered_at = now
        requests = max(sample.running + sample.waiting, under_way)
        if requests == 0 or sample.signs != self._signs:
            self._signs = sample.signs
            self._progress_at = now
        stalled = now - self._progress_at
        if stalled < self._stall_seconds:
            return ""
        return f"{requests} requests were waiting for the engine and it made no step for {stalled:.0f} s"

    def seconds_for_proof(self, *, now: float) -> float:
        """Return how long the engine has to prove that it goes on; 0 while there is no doubt."""
        stalled = now - self._progress_at
        if stalled < self._stall_seconds * _DOUBT_FACTOR:
            return 0.0
        return max(0.0, self._stall_seconds - stalled)

    def observe_silence(self, *, now: float) -> str:
        """Take a missing answer; return why the engine hangs, empty while it does not."""
        silent = now - self._answered_at
        if silent < self._stall_seconds * _SILENCE_FACTOR:
            return ""
        return f"the engine has not answered for {silent:.0f} s"
