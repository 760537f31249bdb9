"""Pods that the kubelet evicted: each is told once, also where its successor runs before anybody looked."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from genmodel_operator.causes.cause import Object
from genmodel_operator.causes.node import lost_place

if TYPE_CHECKING:
    from genmodel_operator.controller.context import Context

_MOST_MODELS = 10_000


class Evictions:
    """Which evicted pods are known, by model; they stay in the cluster until somebody takes them away."""

    def __init__(self) -> None:
        self._known: dict[str, set[str]] = {}

    def news(self, model_uid: str, evicted: Sequence[Object]) -> list[Object]:
        """Return the pods that were not there at the look before; none at the first look, which a restart makes."""
        known = self._known.get(model_uid)
        if len(self._known) >= _MOST_MODELS:
            self._known.clear()
        self._known[model_uid] = {pod["metadata"]["uid"] for pod in evicted}
        return [] if known is None else [pod for pod in evicted if pod["metadata"]["uid"] not in known]


async def tell_of_evictions(ctx: "Context") -> None:
    """Have an Event for each pod that was evicted since the last look, with the way out."""
    evicted = [pod for pod in ctx.pods if pod.get("status", {}).get("reason") == "Evicted"]
    for pod in ctx.tools.evictions.news(ctx.model.metadata.uid, evicted):
        cause = lost_place(pod)
        ctx.event_notes.append((cause.reason, cause.message))
