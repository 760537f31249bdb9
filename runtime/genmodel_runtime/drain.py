"""When a draining pod may end: its clients have been served and had time to go elsewhere."""

from genmodel_runtime.traffic import Traffic

QUIET_SECONDS = 6.0
"""Longer than the 5 s for which Python's usual HTTP clients keep a connection for their next request.

A connection whose answer began before the drain was not told to close, and may bring one more
request right after that answer; that request is told.
"""


class QuietDetector:
    """Decides from successive looks at the traffic whether nobody needs the engine any more.

    Quiet is: no request under way, and none that ended for ``quiet_seconds``. Times are
    monotonic seconds.
    """

    def __init__(self, traffic: Traffic, *, quiet_seconds: float, now: float) -> None:
        self._quiet_seconds = quiet_seconds
        self._since = now
        self._ended = traffic.ended

    def observe(self, traffic: Traffic, *, now: float) -> bool:
        """Take a look; return whether it is quiet."""
        if traffic.under_way > 0 or traffic.ended != self._ended:
            self._since = now
            self._ended = traffic.ended
        return now - self._since >= self._quiet_seconds
