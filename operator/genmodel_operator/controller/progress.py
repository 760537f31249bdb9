"""When a status is worth a write: at once, but for what goes on anyway, and for the first words in a rush."""

from collections.abc import Callable

from genmodel_operator.api.reasons import Reason
from genmodel_operator.api.v1alpha1 import GenerativeModelStatus
from genmodel_operator.controller.queue import Key
from genmodel_operator.eventful import is_told_by_the_cluster

PROGRESS_SECONDS = 10.0
PROGRESS_SHARE = 0.05
HOLD_SECONDS = 1.5
"""How long a status may wait that the next one replaces soon; see ``StatusPace.hold_seconds``."""
_MOVING = frozenset(
    reason.value
    for reason in (
        Reason.STARTING,
        Reason.DOWNLOADING,
        Reason.UNSCHEDULABLE,
        Reason.WAITING_FOR_NODE,
        Reason.WARMING_UP,
        Reason.ROLLING_OUT,
        Reason.MAKING_ROOM,
        Reason.SCALING,
    )
)
"""Reasons whose messages move by themselves: images, bytes, counts of nodes, why the engine is not ready."""


class StatusPace:
    """Holds back writes that only tell the same reason anew: each 10 s, or 5 % of a download's bytes."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Take a monotonic clock in seconds."""
        self._clock = clock
        self._written: dict[Key, float] = {}
        self._held: dict[Key, float] = {}

    def is_due(self, key: Key, before: GenerativeModelStatus, after: GenerativeModelStatus) -> bool:
        """Return whether ``after`` has to be written over ``before``."""
        if before == after:
            return False
        if without_progress(before) != without_progress(after):
            return True
        elapsed = self._clock() - self._written.get(key, float("-inf"))
        return elapsed >= PROGRESS_SECONDS or _moved(before, after)

    def hold_seconds(
        self, key: Key, before: GenerativeModelStatus, after: GenerativeModelStatus, *, is_busy: bool
    ) -> float:
        """Return how long the write of ``after`` may still wait; 0: it is due.

        A status that only says that the cluster makes and starts the pods waits a moment where the one before
        said so too, or where it is the first one and other models wait for a worker: most often the pods are
        further by then, and one write says all.
        """
        if before == after or not _may_wait(before, after, is_busy=is_busy):
            self._held.pop(key, None)
            return 0.0
        since = self._held.setdefault(key, self._clock())
        return max(0.0, since + HOLD_SECONDS - self._clock())

    def wrote(self, key: Key) -> None:
        """Remember that the status was written now."""
        self._written[key] = self._clock()
        self._held.pop(key, None)

    def forget(self, key: Key) -> None:
        """Forget a model that is gone."""
        self._written.pop(key, None)
        self._held.pop(key, None)


def _may_wait(before: GenerativeModelStatus, after: GenerativeModelStatus, *, is_busy: bool) -> bool:
    if not is_told_by_the_cluster(after.conditions):
        return False
    if not before.conditions:
        return is_busy
    is_same_wish = before.observed_generation == after.observed_generation
    return is_same_wish and is_told_by_the_cluster(before.conditions)


def without_progress(status: GenerativeModelStatus) -> GenerativeModelStatus:
    """Return the status without what moves while a download, a wait or a rollout goes on."""
    conditions = [
        condition.model_copy(update={"message": ""}) if condition.reason in _MOVING else condition
        for condition in status.conditions
    ]
    return status.model_copy(update={"download": None, "conditions": conditions})


def _moved(before: GenerativeModelStatus, after: GenerativeModelStatus) -> bool:
    if before.download is None or after.download is None:
        return before.download is not after.download
    moved = abs(after.download.bytes_done - before.download.bytes_done)
    return moved >= PROGRESS_SHARE * max(after.download.bytes_total, 1)
