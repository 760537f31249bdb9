"""How a step ends when it cannot go on: the loop turns these into conditions and retries.

Anything else that a step raises is retried with exponential backoff.
"""

from genmodel_operator.api.reasons import AnyReason, explain


class StepError(Exception):
    """A step could not go on, for a reason that the user is told."""

    def __init__(self, reason: AnyReason, **values: object) -> None:
        """Take the reason and the values of its message pattern."""
        self.reason = reason
        self.message = explain(reason, **values)
        super().__init__(f"{reason.value}: {self.message}")


class Stalled(StepError):
    """A person must act; tried again slowly (backoff to 5 minutes) and at each resync."""


class Waiting(StepError):
    """Nobody must act; tried again after ``after_seconds``."""

    def __init__(self, reason: AnyReason, *, after_seconds: float, **values: object) -> None:
        """Take the reason, the delay and the values of the reason's message pattern."""
        self.after_seconds = after_seconds
        super().__init__(reason, **values)
