"""Events on a model when a condition changes: few, deduplicated, and never in the way of the work."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import uuid4

from genmodel_operator.api import labels, reasons
from genmodel_operator.api.v1alpha1 import Condition, GenerativeModel, ObjectMeta
from genmodel_operator.kube.kinds import EVENT, Kind

logger = logging.getLogger(__name__)

REPEAT_SECONDS = 600.0
"""The same words about the same object are said once in this time."""
LIMIT_PER_MINUTE = 10
"""Events about one object in a minute; more are dropped and counted."""
LIMIT_PER_REASON = 3
"""Events of one reason about one object in ``REPEAT_SECONDS``, whatever their words: a cause that comes and goes
would tell its newest numbers for ever."""
NOTE_MAX_BYTES = 1024
WAITING_LIMIT = 2_000
"""Events that wait to be posted; more are dropped and counted."""
_REMEMBERED = 10_000

NORMAL = "Normal"
WARNING = "Warning"


class EventClient(Protocol):
    """The one verb that a recorder needs."""

    async def create(self, kind: Kind, obj: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object."""
        ...


class EventRecorder:
    """Posts Events about models, one after the other, beside the work; nothing waits for them.

    What cannot be posted is logged and counted, never raised.
    """

    def __init__(
        self,
        client: EventClient,
        *,
        instance: str,
        count: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the client, the name of this process (its pod) and who counts results.

        Results are sent, repeated, limited, dropped and failed.
        """
        self._client = client
        self._instance = instance
        self._count = count or (lambda _result: None)
        self._clock = clock
        self._said: OrderedDict[tuple[str, str, int], float] = OrderedDict()
        self._recent: OrderedDict[tuple[str, ...], list[float]] = OrderedDict()
        self._waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue(WAITING_LIMIT)

    async def run(self) -> None:
        """Post what was recorded, until cancelled."""
        while True:
            event = await self._waiting.get()
            await self._post(event)
            self._waiting.task_done()

    async def finish(self, *, within_seconds: float) -> None:
        """Wait until everything recorded was posted, but not longer than this."""
        try:
            async with asyncio.timeout(within_seconds):
                await self._waiting.join()
        except TimeoutError:
            logger.warning("%s Events were not posted in time", self._waiting.qsize())

    def record(self, model: GenerativeModel, condition: Condition) -> None:
        """Have an Event posted about a condition that changed, unless the same was said lately."""
        uid = model.metadata.uid
        said = _said(uid, condition)
        if self._is_repeated(said):
            self._count("repeated")
        elif self._is_over(LIMIT_PER_MINUTE, 60.0, uid) or self._is_over(
            LIMIT_PER_REASON, REPEAT_SECONDS, uid, condition.reason
        ):
            self._count("limited")
        else:
            self._said[said] = self._clock()
            for about in ((uid,), (uid, condition.reason)):
                self._recent.setdefault(about, []).append(self._clock())
            self._enqueue(build_event(model.metadata, condition, instance=self._instance, now=datetime.now(UTC)))
        self._trim()

    def record_about(self, obj: Mapping[str, Any], condition: Condition) -> None:
        """Have an Event posted about another object than a model, unless the same was said lately."""
        metadata = ObjectMeta.model_validate(obj["metadata"])
        said = _said(metadata.uid, condition)
        if self._is_repeated(said):
            self._count("repeated")
            return
        self._said[said] = self._clock()
        event = build_event(metadata, condition, instance=self._instance, now=datetime.now(UTC))
        about = {"apiVersion": obj["apiVersion"], "kind": obj["kind"]}
        self._enqueue({**event, "regarding": {**event["regarding"], **about}})
        self._trim()

    def _enqueue(self, event: dict[str, Any]) -> None:
        try:
            self._waiting.put_nowait(event)
        except asyncio.QueueFull:
            self._count("dropped")

    def _is_repeated(self, said: tuple[str, str, int]) -> bool:
        last = self._said.get(said)
        return last is not None and self._clock() - last < REPEAT_SECONDS

    def _is_over(self, limit: int, seconds: float, *about: str) -> bool:
        """Return whether so many Events about this were recorded in the last ``seconds``."""
        recent = self._recent.get(about, [])
        recent[:] = [moment for moment in recent if self._clock() - moment < seconds]
        return len(recent) >= limit

    def _trim(self) -> None:
        while len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)
        while len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)

    async def _post(self, event: dict[str, Any]) -> None:
        try:
            await self._client.create(EVENT, event)
        except Exception as error:  # noqa: BLE001 - an Event is a courtesy: nothing about it may stop the operator
            self._count("failed")
            regarding = event["regarding"]
            extra = {"model": f"{regarding['namespace']}/{regarding['name']}", "reason": event["reason"]}
            logger.warning("an Event could not be posted: %s", error, extra=extra)
        else:
            self._count("sent")


def _said(uid: str, condition: Condition) -> tuple[str, str, int]:
    """Return what stands for an Event's words; the words themselves of thousands of models would be megabytes."""
    return uid, condition.reason, hash(condition.message)


def build_event(model: ObjectMeta, condition: Condition, *, instance: str, now: datetime) -> dict[str, Any]:
    """Return the Event object; the note is cut to what the API takes."""
    return {
        "metadata": {"name": f"{model.name}.{uuid4().hex[:16]}", "namespace": model.namespace},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": f"{labels.GROUP}/{labels.FIELD_MANAGER}",
        "reportingInstance": instance[:128],
        "action": "Reconcile",
        "type": event_type(condition.reason),
        "reason": condition.reason[:128],
        "note": _cut(condition.message),
        "regarding": {
            "apiVersion": labels.API_VERSION,
            "kind": labels.KIND,
            "namespace": model.namespace,
            "name": model.name,
            "uid": model.uid,
        },
    }


def event_type(reason: str) -> str:
    """Return Warning where a person must act, else Normal."""
    known = reasons.TABLE.get(reason)
    return WARNING if known is not None and known.severity is reasons.Severity.PERSON else NORMAL


def _cut(note: str) -> str:
    data = note.encode()
    if len(data) <= NOTE_MAX_BYTES:
        return note
    return data[: NOTE_MAX_BYTES - 3].decode(errors="ignore") + "..."
