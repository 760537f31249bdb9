"""Which revision runs, which one the Service selects, and what may go. Pure.

Cases, in the order in which they are decided:

1. Nothing is wanted (0 replicas or suspended): the current revision is kept at 0, others go.
2. The current revision is not known (the Hub or the planner refused): what serves goes on as it is.
3. No other revision serves: the current one gets all replicas, the Service selects it, others go.
4. Another one serves and the current one is not complete: both run, the Service stays. Where the
   current one's pods find no room and the old one's place would be enough, the old one is drained
   first (a gap, said in status beforehand).
5. Another one serves and the current one is complete: the Service is switched; the old one goes in
   the next run, when the switch has been seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RolloutState:
    """What runs.

    Attributes:
        current: id of the desired revision, None where it is not known.
        serving: id of the revision that the live Service selects, None without a Service.
        desired_replicas: pods wanted.
        ready: ready pods by revision, for every revision that has a Deployment.
        makes_room: whether what serves is stopped so that the current revision's pods find nodes.
    """

    current: str | None
    serving: str | None
    desired_replicas: int
    ready: Mapping[str, int]
    makes_room: bool = False


@dataclass(frozen=True, slots=True)
class RolloutDecision:
    """What is to run: replicas by revision, the Service's revision, Deployments to remove."""

    replicas: Mapping[str, int]
    service: str | None
    remove: frozenset[str]


def decide_rollout(state: RolloutState) -> RolloutDecision:
    """Return what is to run now; see the module's cases."""
    current, serving, wanted = state.current, state.serving, state.desired_replicas
    others = frozenset(state.ready) - {current}
    if current is None:
        kept = {serving: wanted} if serving in state.ready and serving is not None else {}
        return RolloutDecision(replicas=kept, service=serving, remove=frozenset())
    if wanted == 0 or serving is None or serving == current or serving not in state.ready:
        return RolloutDecision(replicas={current: wanted}, service=current, remove=others)
    both = {current: wanted, serving: wanted}
    if state.ready.get(current, 0) >= wanted:
        return RolloutDecision(replicas=both, service=current, remove=others - {serving})
    if state.makes_room:
        return RolloutDecision(replicas={current: wanted}, service=current, remove=others)
    return RolloutDecision(replicas=both, service=serving, remove=others - {serving})
