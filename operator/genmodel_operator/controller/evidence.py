"""Events and nodes, read live while a pod is in trouble that its own status does not explain; never watched.

Events of a whole cluster are many, and nearly all of them are about others: only those about one pod
are asked for, and the answer is used for some seconds by everybody who asks again.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from genmodel_operator.api.labels import REVISION
from genmodel_operator.causes import Evidence, has_weights, is_ready, is_unschedulable
from genmodel_operator.causes.evidence import parse_time
from genmodel_operator.causes.pods import (
    condition,
    container_statuses,
    has_lost_its_place,
    has_started,
    node_name,
    was_ready,
)
from genmodel_operator.causes.termination import KILLED_CODES
from genmodel_operator.controller.context import Context, Object
from genmodel_operator.kube.errors import KubeError
from genmodel_operator.kube.kinds import EVENT, NODE, Kind
from genmodel_runtime.contract import Phase

log = logging.getLogger(__name__)

KEEP_SECONDS = 4.0
"""For how long an answer is used; well below the time in which a person looks again."""
AT_MOST = 4
"""Pods of one model that are looked at more closely: the others are mostly in the same trouble."""
SETUP_SECONDS = 5.0
"""How long a node may take to start something before its Events are asked."""
UNPLACED_SECONDS, UNPLACED_LATE_SECONDS, LATE_AFTER_SECONDS = 10.0, 60.0, 900.0
"""How often a pod without a node is looked at: an autoscaler tells its decision in an Event alone."""


class Lister(Protocol):
    """Lists live objects."""

    async def list(
        self, kind: Kind, namespace: str | None = None, *, field_selector: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the objects of a kind that a field selector matches."""
        ...


class Answer(NamedTuple):
    """What a list found, and when by the clock in seconds; nothing where it may not or cannot be read."""

    at_seconds: float
    found: list[Object] | None


class EvidenceReader:
    """Reads Events about pods, and nodes by name; what cannot be read is unknown, and logged."""

    def __init__(
        self,
        client: Lister,
        *,
        clock: Callable[[], float],
        keep_seconds: float = KEEP_SECONDS,
        reads_nodes: bool = True,
    ) -> None:
        """Take the client, a monotonic clock in seconds, for how long an answer is used, and whether nodes are read."""
        self._client = client
        self._clock = clock
        self._keep_seconds = keep_seconds
        self._reads_nodes = reads_nodes
        self._answers: dict[tuple[str, str], Answer] = {}

    async def read(self, pods: list[Object], runtimes: Mapping[str, Object], *, now: str) -> Evidence:
        """Return what tells more about these pods; reads nothing where none is in trouble."""
        moment = parse_time(now)
        puzzling = [pod for pod in pods if needs_events(pod, runtimes, moment)][:AT_MOST]
        nodes = self._nodes_in_question(pods, moment)
        began = self._clock()
        events = await asyncio.gather(*(self._events(pod) for pod in puzzling))
        lists = await asyncio.gather(*(self._node(name) for name in nodes))
        oldest = min((answer.at_seconds for answer in (*events, *lists)), default=began)
        return Evidence(
            events={pod["metadata"]["name"]: said.found or [] for pod, said in zip(puzzling, events, strict=True)},
            nodes={
                name: next(iter(said.found), None)
                for name, said in zip(nodes, lists, strict=True)
                if said.found is not None
            },
            now=moment,
            old_in_seconds=self._keep_seconds - (began - oldest) if oldest < began else None,
        )

    def _nodes_in_question(self, pods: list[Object], now: datetime) -> list[str]:
        if not self._reads_nodes:
            return []
        return sorted({name for pod in pods if needs_node(pod, now) and (name := node_name(pod))})[:AT_MOST]

    async def _events(self, pod: Object) -> Answer:
        metadata = pod["metadata"]
        return await self._ask(EVENT, metadata["namespace"], f"regarding.uid={metadata.get('uid', '')}")

    async def _node(self, name: str) -> Answer:
        return await self._ask(NODE, None, f"metadata.name={name}")

    async def _ask(self, kind: Kind, namespace: str | None, selector: str) -> Answer:
        """Return what a list finds, from a short memory."""
        key, now = (kind.kind, selector), self._clock()
        known = self._answers.get(key)
        if known is not None and now - known.at_seconds < self._keep_seconds:
            return known
        self._answers = {k: v for k, v in self._answers.items() if now - v.at_seconds < self._keep_seconds}
        try:
            found: list[Object] | None = await self._client.list(kind, namespace, field_selector=selector)
        except KubeError as error:
            log.warning("%s about a pod in trouble cannot be read: %s", kind.plural, error)
            found = None
        answer = self._answers[key] = Answer(now, found)
        return answer


async def look_closer(ctx: Context) -> None:
    """Read what explains pods in trouble, and come back while only time can bring news of them.

    What was read before the pod changed may be from before its trouble, and is not the last word.
    """
    source = ctx.tools.evidence
    if source is None:
        return
    shown = ctx.current.id if ctx.current else ctx.serving
    pods = [pod for pod in ctx.pods if pod["metadata"].get("labels", {}).get(REVISION) == shown]
    pods += ctx.weights.pods if ctx.weights is not None and not ctx.weights.is_complete else []
    now = ctx.tools.now()
    ctx.evidence = await source.read(pods, ctx.runtimes, now=now)
    if ctx.evidence.old_in_seconds is not None:
        ctx.look_again(ctx.evidence.old_in_seconds)
    for pod in pods:
        after = news_in_seconds(pod, parse_time(now))
        if after is not None:
            ctx.look_again(after)


def needs_events(pod: Object, runtimes: Mapping[str, Object], now: datetime) -> bool:
    """Return whether only Events tell why a pod does not go on."""
    if _is_settled(pod):
        return False
    if is_unschedulable(pod) or _was_killed(pod):
        return True
    if not has_started(pod):
        return _seconds_placed(pod, now) >= SETUP_SECONDS
    # An engine that answers and is not ready: the kubelet's probe says why.
    return has_weights(pod) and runtimes.get(pod["metadata"]["name"], {}).get("phase") == Phase.SERVING.value


def needs_node(pod: Object, now: datetime) -> bool:
    """Return whether a pod may be in trouble because of its node."""
    if _is_settled(pod) or is_unschedulable(pod) or not node_name(pod):
        return False
    if not has_started(pod):
        return _seconds_placed(pod, now) >= SETUP_SECONDS
    return was_ready(pod) or any(found.get("lastState") or _ended(found) for found in container_statuses(pod))


def news_in_seconds(pod: Object, now: datetime) -> float | None:
    """Return when a pod is worth another look for which no watch wakes us; None: the watch tells everything."""
    if _is_settled(pod):
        return None
    if is_unschedulable(pod):
        return UNPLACED_SECONDS if _seconds_placed(pod, now) < LATE_AFTER_SECONDS else UNPLACED_LATE_SECONDS
    if node_name(pod) and not has_started(pod):
        return SETUP_SECONDS if _seconds_placed(pod, now) < LATE_AFTER_SECONDS else UNPLACED_LATE_SECONDS
    return None


def _is_settled(pod: Object) -> bool:
    """Return whether nothing has to be found out: the pod answers, or it is on its way out."""
    return is_ready(pod) or has_lost_its_place(pod) or bool(pod["metadata"].get("deletionTimestamp"))


def _seconds_placed(pod: Object, now: datetime) -> float:
    """Return how long ago the scheduler last decided on the pod; 0 where that is not known."""
    decided = (condition(pod, "PodScheduled") or {}).get("lastTransitionTime")
    return (now - parse_time(decided)).total_seconds() if decided else 0.0


def _was_killed(pod: Object) -> bool:
    return any(
        last.get("exitCode") in KILLED_CODES and not last.get("message")
        for found in container_statuses(pod)
        for last in (found.get("state", {}).get("terminated"), (found.get("lastState") or {}).get("terminated"))
        if last
    )


def _ended(container: Mapping[str, Any]) -> bool:
    ended = container.get("state", {}).get("terminated")
    return bool(ended and ended.get("exitCode") != 0)
