"""Why no node takes a pod: what is short, on how many nodes, and whether a node is on its way."""

import re
from collections.abc import Iterator

from genmodel_operator.api.reasons import Reason
from genmodel_operator.causes.cause import Cause, Object, because
from genmodel_operator.causes.evidence import Evidence, of_reasons, reporter
from genmodel_operator.causes.pods import condition, requested

GROWTH_SECONDS = 900.0
"""A node that was asked for longer ago than this is not on its way any more; autoscalers give up then, too."""
_COUNTS = re.compile(r"0/(?P<total>\d+) nodes are available:? *(?P<why>.*)", re.DOTALL)
_TAIL = re.compile(r"\.? *(?:no new claims to deallocate, )?preemption: .*|\. no new claims to deallocate.*", re.DOTALL)
_CLAUSE = re.compile(r"(?:^|, )(?=\d+ \S)")
_INSUFFICIENT = re.compile(r"\d+ Insufficient (?P<resource>\S+)")
_SELECTOR = "node affinity/selector"
_GROWING, _NOT_GROWING = ("TriggeredScaleUp", "Nominated"), ("NotTriggerScaleUp",)
_KARPENTER, _KARPENTER_REFUSES = "karpenter", "FailedScheduling"


def unplaced(pod: Object, evidence: Evidence) -> Cause | None:
    """Return why the pod has no node, None where it has one."""
    scheduled = condition(pod, "PodScheduled")
    if scheduled is None:
        return because(Reason.PODS_PENDING, detail="the pod waits for the scheduler")
    if scheduled["status"] == "True":
        return None
    said = str(scheduled.get("message") or scheduled.get("reason") or "").strip()
    if scheduled.get("reason") == "SchedulingGated":
        gates = said or "no message"
        return because(Reason.PODS_PENDING, detail=f"a scheduling gate holds the pod back: {gates}")
    detail = describe_placement(pod, said)
    verdict = _growth(pod, evidence)
    if verdict is None:
        return because(Reason.UNSCHEDULABLE, detail=detail)
    grows, words = verdict
    if grows:
        return because(Reason.WAITING_FOR_NODE, detail=detail, growth=words)
    return because(Reason.UNSCHEDULABLE, detail=f"{detail}; {words}")


def describe_placement(pod: Object, said: str) -> str:
    """Return the scheduler's message with what the pod wants, and without what preemption would have done."""
    counted = _COUNTS.search(said)
    if counted is None:
        return said.rstrip(".")
    clauses = _CLAUSE.split(_TAIL.sub("", counted["why"]).rstrip(". "))
    told = ", ".join(_with_wish(pod, clause) for clause in clauses if clause)
    total = int(counted["total"])
    return f"of {total} node{'' if total == 1 else 's'}: {told}" if told else said.rstrip(".")


def _with_wish(pod: Object, clause: str) -> str:
    short = _INSUFFICIENT.match(clause)
    if short is not None:
        amount = requested(pod, short["resource"])
        return f"{clause} (the pod wants {amount})" if amount else clause
    if _SELECTOR in clause:
        wanted = ", ".join(_constraints(pod))
        return f"{clause} ({wanted})" if wanted else clause
    return clause


def _constraints(pod: Object) -> Iterator[str]:
    """Yield the node labels that the pod asks for."""
    spec = pod.get("spec", {})
    yield from (f"{key}={value}" for key, value in (spec.get("nodeSelector") or {}).items())
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    for term in affinity.get("nodeSelectorTerms") or []:
        for found in term.get("matchExpressions") or []:
            values = "|".join(found.get("values") or [])
            yield f"{found['key']}={values}" if values else f"{found['key']} {found['operator']}"


def _growth(pod: Object, evidence: Evidence) -> tuple[bool, str] | None:
    """Return whether a node autoscaler adds a node for the pod, in its own words; None where none has told."""
    event = evidence.latest(pod, _is_of_autoscaler)
    if event is None:
        return None
    note = str(event.get("note") or "").strip().rstrip(".")
    name = reporter(event) or "the node autoscaler"
    if event.get("reason") not in _GROWING:
        return False, f"no node is added: {name} says: {note}"
    asked = event.get("deprecatedLastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    waited = evidence.seconds_since(asked)
    if waited is not None and waited > GROWTH_SECONDS:
        return False, f"a node was asked for more than {GROWTH_SECONDS / 60:.0f} minutes ago and did not help: {note}"
    return True, f"{name} says: {note}"


def _is_of_autoscaler(event: Object) -> bool:
    if of_reasons(*_GROWING, *_NOT_GROWING)(event):
        return True
    # The scheduler says FailedScheduling too; only Karpenter's tells of node pools.
    return event.get("reason") == _KARPENTER_REFUSES and reporter(event).startswith(_KARPENTER)
