"""From all candidates to the one that serves, by the user's policy."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from genmodel_operator.api.v1alpha1 import AcceleratorKind, AcceleratorPolicy
from genmodel_operator.sizing.accelerators import Inventory, NodeGroup
from genmodel_operator.sizing.candidates import candidate_groups, evaluate_group
from genmodel_operator.sizing.explain import device_gib
from genmodel_operator.sizing.fitting import Fit, Rejection
from genmodel_operator.sizing.memory import GIB
from genmodel_operator.sizing.subject import Subject

COMFORTABLE_TOKENS = 8192
"""Where the length is left open, a candidate with less than this, and less than the model's limit, comes last."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What became of every candidate; ``groups`` are those that some model can be served on, ``fits`` best first."""

    groups: tuple[NodeGroup, ...]
    fits: tuple[Fit, ...]
    rejections: tuple[Rejection, ...]


def survey(subject: Subject, groups: Iterable[NodeGroup]) -> Survey:
    """Evaluate every candidate that ``spec.accelerator`` allows and rank those that fit."""
    allowed = candidate_groups(subject, groups)
    served = [group for group in allowed if not subject.policy.why_unserved(group)]
    unserved = [group for group in allowed if subject.policy.why_unserved(group)]
    results = [result for group in (*served, *unserved) for result in evaluate_group(subject, group)]
    fits = [result for result in results if isinstance(result, Fit)]
    return Survey(
        groups=tuple(served),
        fits=tuple(sorted(fits, key=lambda fit: _rank(subject, fit))),
        rejections=tuple(result for result in results if isinstance(result, Rejection)),
    )


def _rank(subject: Subject, fit: Fit) -> tuple[object, ...]:
    """Return the sort key: GPU before CPU, a usable length, the policy, what is free now, then a stable order."""
    policy = subject.spec.accelerator.policy
    is_short = fit.length < min(COMFORTABLE_TOKENS, subject.facts.max_context)
    cramped = is_short and subject.spec.context.max_model_len is None
    cost = (round(device_gib(fit), 3), fit.count)
    if policy is AcceleratorPolicy.LARGEST_CONTEXT:
        wish: tuple[object, ...] = (-fit.length, *cost)
    elif policy is AcceleratorPolicy.FEWEST_DEVICES:
        wish = (fit.count, *cost, -fit.length)
    else:
        wish = (*_price(subject, fit), *cost, -fit.length)
    free = (_availability(fit), -fit.concurrency, -fit.group.replicas_free_now(fit.count))
    # Of nodes that the scheduler cannot tell apart, what the older devices do the newer ones do too.
    alike = (str(fit.group.selector), str(fit.group.compute_capability), str(fit.group))
    last = (*free, fit.group.product, fit.group.devices_per_node, *alike)
    return (fit.count == 0, cramped, *wish, *last)


def _price(subject: Subject, fit: Fit) -> tuple[bool, float]:
    """Return the price per hour as sort key; a candidate without one is after all that have one."""
    price = subject.policy.hourly_price(fit.group, fit.count)
    return (price is None, price or 0.0)


def _availability(fit: Fit) -> int:
    """Return 0 where devices are free of other models now, 1 where nodes are still to come, 2 where models use all."""
    if fit.group.pool:
        return 1
    return 0 if not fit.count or fit.group.replicas_free_now(fit.count) else 2


def replicas_fit(subject: Subject, chosen: Fit, inventory: Inventory) -> int:
    """Return how many replicas the cluster holds by its capacity, on all nodes that the pod may be placed on."""
    return sum(
        _per_node(subject, chosen, group) * group.nodes for group in _reachable(subject, chosen, inventory.groups)
    )


def _reachable(subject: Subject, chosen: Fit, groups: Sequence[NodeGroup]) -> Iterable[NodeGroup]:
    tolerated = set(chosen.group.taints)
    beside = subject.spec.accelerator.kind is AcceleratorKind.CPU
    for group in groups:
        alike = (group.resource, group.product, group.selector, group.architecture, group.refusal) == (
            chosen.group.resource, chosen.group.product, chosen.group.selector, chosen.group.architecture, "",
        )  # fmt: skip
        if alike and tolerated.issuperset(group.taints) and (beside or not group.beside_devices):
            yield group


def _per_node(subject: Subject, chosen: Fit, group: NodeGroup) -> int:
    policy = subject.policy
    cores = policy.gpu_request_cores * chosen.count if chosen.count else policy.cpu_request_cores
    limits = [group.allocatable_memory_gib * GIB // chosen.host_bytes]
    if cores:
        limits.append(group.allocatable_cpu // cores)
    if chosen.count:
        limits.append(group.devices_per_node // chosen.count)
    return int(min(limits))
