"""One reason why pods do not answer, and how urgent it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from genmodel_operator.api.reasons import AnyReason, Reason, Severity, explain, info
from genmodel_runtime.contract import RuntimeReason

Object = Mapping[str, Any]

_TROUBLE: frozenset[AnyReason] = frozenset(
    {
        Reason.UNSCHEDULABLE,
        Reason.WAITING_FOR_NODE,
        Reason.NODE_LOST,
        Reason.POD_EVICTED,
        Reason.DISK_LIMIT_EXCEEDED,
        Reason.PROBE_FAILING,
        RuntimeReason.ENGINE_DIED,
        RuntimeReason.ENGINE_HUNG,
        RuntimeReason.START_TIMEOUT,
        RuntimeReason.HUB_UNREACHABLE,
        RuntimeReason.HUB_RATE_LIMITED,
    }
)
"""What the cluster may mend by itself, but must not be hidden behind another pod's progress."""
_SAYS_LITTLE = frozenset({Reason.PODS_PENDING, Reason.STARTING})


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason why pods do not answer, with its full message."""

    reason: AnyReason
    message: str

    @property
    def needs_person(self) -> bool:
        """Whether the model cannot come up before somebody acts."""
        return info(self.reason).severity is Severity.PERSON

    @property
    def rank(self) -> int:
        """Order of importance: what a person must act on first, then what is wrong or lacks room, then progress."""
        if self.needs_person:
            return 0
        return 1 if self.reason in _TROUBLE else 2

    @property
    def is_progress(self) -> bool:
        """Whether time alone is expected to help."""
        return self.rank == 2

    @property
    def says_little(self) -> bool:
        """Whether it only tells that the cluster has begun, so that an older failure tells more."""
        return self.reason in _SAYS_LITTLE


def because(reason: AnyReason, **values: object) -> Cause:
    """Return the cause with its message; ``values`` are what the reason's pattern needs."""
    return Cause(reason, explain(reason, **values))
