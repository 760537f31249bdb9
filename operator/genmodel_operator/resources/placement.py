"""Whether pods would find nodes if others went: the scheduler's arithmetic over requests, in short. Pure.

Seen are requests, node selectors, required node affinity, taints and cordons. Rules between pods
(affinity, spreading) and volumes are not.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from genmodel_operator.api.quantity import parse_quantity

Object = Mapping[str, Any]
Amounts = Mapping[str, Decimal]

_OVER = frozenset({"Succeeded", "Failed"})
_PODS = "pods"
_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Site:
    """A node with the pods that are placed on it."""

    node: Object
    pods: Sequence[Object]


def requests_of(spec: Object) -> dict[str, Decimal]:
    """Return what the scheduler counts for a pod: all its containers, or an init container beside its sidecars."""
    running: dict[str, Decimal] = {}
    for container in spec.get("containers") or []:
        running = _sum(running, _requests(container))
    sidecars: dict[str, Decimal] = {}
    peak: dict[str, Decimal] = {}
    for container in spec.get("initContainers") or []:
        beside = _sum(sidecars, _requests(container))
        if container.get("restartPolicy") == "Always":
            sidecars = beside
        peak = _largest(peak, beside)
    return _sum(_largest(_sum(running, sidecars), peak), _amounts(spec.get("overhead"))) | {_PODS: Decimal(1)}


def room_is_made(sites: Iterable[Site], *, leaving: Collection[str], spec: Object, count: int) -> bool:
    """Whether ``count`` pods of this spec find nodes when those whose uids are ``leaving`` go, and do not before.

    Where they would find them anyway, it is not room that they lack.
    """
    usable = [site for site in sites if takes(site.node, spec)]
    wanted = requests_of(spec)
    now = sum(_copies(site, wanted, leaving=()) for site in usable)
    then = sum(_copies(site, wanted, leaving=leaving) for site in usable)
    return now < count <= then


def takes(node: Object, spec: Object) -> bool:
    """Whether a node takes pods of this spec at all, were it empty of others."""
    node_spec, labels = node.get("spec") or {}, node["metadata"].get("labels") or {}
    if node_spec.get("unschedulable"):
        return False
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    tolerations = spec.get("tolerations") or []
    taints = [taint for taint in node_spec.get("taints") or [] if taint["effect"] != "PreferNoSchedule"]
    if any(not any(_tolerates(toleration, taint) for toleration in tolerations) for taint in taints):
        return False
    return _has_affinity(node["metadata"].get("name", ""), labels, spec)


def _tolerates(toleration: Object, taint: Object) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("operator", "Equal") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return toleration.get("key") == taint["key"] and (toleration.get("value") or "") == (taint.get("value") or "")


def _has_affinity(name: str, labels: Mapping[str, str], spec: Object) -> bool:
    rule = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    )
    if not rule:
        return True
    names = {"metadata.name": name}
    return any(
        all(_matches(labels, term) for term in terms.get("matchExpressions") or [])
        and all(_matches(names, term) for term in terms.get("matchFields") or [])
        for terms in rule.get("nodeSelectorTerms") or []
    )


def _matches(labels: Mapping[str, str], term: Object) -> bool:
    value, values, operator = labels.get(term["key"]), term.get("values") or [], term["operator"]
    if operator in ("NotIn", "DoesNotExist"):
        return value is None or (operator == "NotIn" and value not in values)
    if value is None:
        return False
    if operator in ("Gt", "Lt"):
        return _is_beyond(value, values[0], greater=operator == "Gt")
    return operator == "Exists" or value in values


def _is_beyond(value: str, bound: str, *, greater: bool) -> bool:
    try:
        return int(value) > int(bound) if greater else int(value) < int(bound)
    except ValueError:
        return False


def _copies(site: Site, wanted: Amounts, *, leaving: Collection[str]) -> int:
    """Return how many more pods the node holds."""
    free = _amounts((site.node.get("status") or {}).get("allocatable"))
    for pod in site.pods:
        if pod["metadata"].get("uid") in leaving or (pod.get("status") or {}).get("phase") in _OVER:
            continue
        for resource, amount in requests_of(pod["spec"]).items():
            free[resource] = free.get(resource, _ZERO) - amount
    return max(0, min(int(free.get(resource, _ZERO) // amount) for resource, amount in wanted.items() if amount))


def _sum(one: Amounts, other: Amounts) -> dict[str, Decimal]:
    return {resource: one.get(resource, _ZERO) + other.get(resource, _ZERO) for resource in {**one, **other}}


def _largest(one: Amounts, other: Amounts) -> dict[str, Decimal]:
    return {resource: max(one.get(resource, _ZERO), other.get(resource, _ZERO)) for resource in {**one, **other}}


def _requests(container: Object) -> dict[str, Decimal]:
    return _amounts((container.get("resources") or {}).get("requests"))


def _amounts(found: Object | None) -> dict[str, Decimal]:
    return {resource: parse_quantity(str(quantity)) for resource, quantity in (found or {}).items()}
