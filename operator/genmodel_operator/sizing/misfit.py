"""Why nothing serves a model, and the smallest changes that would help.

Each change is tried before it is proposed: the planner runs again with it.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

from genmodel_operator.api.reasons import Reason
from genmodel_operator.api.v1alpha1 import (
    Accelerator,
    AcceleratorKind,
    AcceleratorPolicy,
    Context,
    KVCachePrecision,
    Precision,
)
from genmodel_operator.sizing.accelerators import CPU_PRODUCT, CPU_RESOURCE, NVIDIA_RESOURCE, Inventory, NodeGroup
from genmodel_operator.sizing.answer import Misfit, RejectedCandidate
from genmodel_operator.sizing.explain import devices_text, refusal_text
from genmodel_operator.sizing.fitting import LENGTH_STEP, Fit, Rejection, longest
from genmodel_operator.sizing.precision import is_available
from genmodel_operator.sizing.ranking import Survey, survey
from genmodel_operator.sizing.subject import Subject

_MOST_CHANGES = 4
_MOST_DEVICES = 16
_LARGEST_DEVICE_GIB = 1024


def no_candidates(subject: Subject, inventory: Inventory) -> Misfit:
    """Return the misfit of a cluster that has no node of the kind that is allowed."""
    wanted = subject.spec.accelerator
    if wanted.products:
        what = f"spec.accelerator.products asks for {', '.join(wanted.products)}"
    elif wanted.kind is AcceleratorKind.CPU:
        what = "spec.accelerator.kind asks for CPU nodes"
    elif wanted.kind is AcceleratorKind.GPU or wanted.count is not None:
        what = "spec.accelerator asks for GPUs"
    else:
        what = "GPUs or CPU nodes are needed"
    detail = f"{what}, and there are {_present(inventory)}"
    unserved = dict.fromkeys(
        f"{group.product}: {subject.policy.why_unserved(group)}"
        for group in inventory.groups
        if not group.refusal and subject.policy.why_unserved(group)
    )
    left_out = [*inventory.notes, *unserved]
    notes = f" (left out: {'; '.join(left_out)})" if left_out else ""
    change = "; or ".join(islice(_changes(subject, inventory), _MOST_CHANGES)) or "add a node"
    return _misfit(Reason.NO_CANDIDATE_NODES, detail=detail + notes, change=change)


def no_fit(subject: Subject, inventory: Inventory, found: Survey) -> Misfit:
    """Return the misfit of a cluster whose candidates are all too small or not able."""
    nearest = _nearest(found.rejections)
    # Some reasons are the engine's own sentences, with a full stop.
    detail = f"{subject.facts.repository} does not fit: {refusal_text(nearest).removesuffix('.')}"
    change = "; or ".join(islice(_changes(subject, inventory), _MOST_CHANGES))
    lines = tuple(RejectedCandidate(item.group.product, item.count, item.reason) for item in found.rejections)
    return replace(_misfit(Reason.NO_FIT, detail=detail, change=change or "choose a smaller model"), rejected=lines)


def _misfit(reason: Reason, **values: str) -> Misfit:
    return Misfit(reason=reason.value, values=tuple(sorted(values.items())))


def _present(inventory: Inventory) -> str:
    kinds = sorted(
        {f"{group.product} nodes" for group in inventory.groups if not (group.beside_devices or group.refusal)}
    )
    return f"only {', '.join(kinds)}" if kinds else "no schedulable nodes"


def _nearest(rejections: tuple[Rejection, ...]) -> Rejection:
    """Return the candidate that lacks the least memory, else the first."""
    return min(rejections, key=lambda item: (item.short_bytes is None, (item.short_bytes or 0) * max(1, item.count)))


def _changes(subject: Subject, inventory: Inventory) -> Iterator[str]:
    """Yield what would help, smallest first; no node is added where only a wish stands against the model."""
    for changes in (_FOR_LESS, _OTHERWISE, _WITH_MORE):
        found = [text for change in changes if (text := change(subject, inventory)) is not None]
        yield from found
        if found and changes is _OTHERWISE:
            return


def _fits(subject: Subject, inventory: Inventory) -> Fit | None:
    fits = survey(subject, inventory.groups).fits
    return fits[0] if fits else None


def _with_context(subject: Subject, *, length: int, concurrency: int) -> Subject:
    context = Context(max_model_len=length, concurrency=concurrency)
    return replace(subject, spec=subject.spec.model_copy(update={"context": context}))


def _with_accelerator(subject: Subject, accelerator: Accelerator) -> Subject:
    return replace(subject, spec=subject.spec.model_copy(update={"accelerator": accelerator}))


def _shorter(subject: Subject, inventory: Inventory) -> str | None:
    """Propose a shorter length, also below what the planner chooses by itself."""
    target = subject.spec.context.max_model_len or subject.facts.max_context

    def fitting(length: int) -> Fit | None:
        return _fits(_with_context(subject, length=length, concurrency=subject.concurrency), inventory)

    if target <= LENGTH_STEP or fitting(LENGTH_STEP) is None:
        return None
    length = longest(LENGTH_STEP, target, lambda tokens: fitting(tokens) is not None)
    found = fitting(length)
    where = f" (on {devices_text(found.group.product, found.count)})" if found else ""
    return f"set spec.context.maxModelLen to {length} or less{where}"


def _fewer_at_once(subject: Subject, inventory: Inventory) -> str | None:
    length = subject.spec.context.max_model_len or subject.facts.max_context

    def fits(concurrency: int) -> bool:
        return _fits(_with_context(subject, length=length, concurrency=concurrency), inventory) is not None

    if subject.concurrency == 1 or not fits(1):
        return None
    return f"set spec.context.concurrency to {_last_true(fits, 1, subject.concurrency)} or less"


def _narrower_cache(subject: Subject, inventory: Inventory) -> str | None:
    """Propose a KV cache in FP8."""
    if subject.wants_fp8_cache or not subject.keeps_cache:
        return None
    spec = subject.spec.model_copy(update={"kv_cache_precision": KVCachePrecision.FP8})
    found = _fits(replace(subject, spec=spec), inventory)
    if found is None:
        return None
    return f"set spec.kvCachePrecision to FP8 (on {devices_text(found.group.product, found.count)})"


def _narrower_weights(subject: Subject, inventory: Inventory) -> str | None:
    """Propose weights in FP8, which the operator's policy has to allow."""
    facts = subject.facts
    if subject.spec.precision is Precision.FP8 or not is_available(facts, Precision.FP8, allows_fp8=True):
        return None
    if facts.quantization is not None or subject.policy.allows_fp8:
        return None
    spec = subject.spec.model_copy(update={"precision": Precision.FP8})
    found = _fits(replace(subject, spec=spec), inventory)
    if found is None:
        return None
    where = devices_text(found.group.product, found.count)
    return f"have the platform team add FP8 to policy.allowedPrecisions, so that the weights take half (on {where})"


def _other_count(subject: Subject, inventory: Inventory) -> str | None:
    """Propose another number of the same devices."""
    asked = subject.spec.accelerator
    if asked.count is None:
        return None
    found = _fits(_with_accelerator(subject, asked.model_copy(update={"count": None})), inventory)
    return f"set spec.accelerator.count to {found.count}, or leave it out" if found and found.count else None


def _other_accelerator(subject: Subject, inventory: Inventory) -> str | None:
    """Propose what the cluster has, but spec.accelerator does not allow."""
    asked = subject.spec.accelerator
    if (asked.kind is AcceleratorKind.AUTO and asked.products is None) or _other_count(subject, inventory):
        return None
    found = _fits(_with_accelerator(subject, Accelerator(policy=asked.policy)), inventory)
    return f"allow {devices_text(found.group.product, found.count)} in spec.accelerator" if found else None


def _on_cpu(subject: Subject, inventory: Inventory) -> str | None:
    asked = subject.spec.accelerator
    if asked.kind is not AcceleratorKind.AUTO or asked.products is not None or asked.count is not None:
        return None
    found = _fits(_with_accelerator(subject, Accelerator(kind=AcceleratorKind.CPU, policy=asked.policy)), inventory)
    return "set spec.accelerator.kind to CPU, which is slow for a model of this size" if found else None


def _more_devices(subject: Subject, inventory: Inventory) -> str | None:
    """Propose nodes with more of the devices that the cluster has."""
    grown = [
        replace(group, devices_per_node=_MOST_DEVICES, allocatable_memory_gib=math.inf, allocatable_cpu=math.inf)
        for group in inventory.groups
        if group.is_gpu
    ]
    wish = {"count": None, "policy": AcceleratorPolicy.FEWEST_DEVICES}
    free = _with_accelerator(subject, subject.spec.accelerator.model_copy(update=wish))
    found = _fits(free, Inventory(groups=tuple(grown)))
    if found is None:
        return None
    most = max(group.devices_per_node for group in inventory.groups if group.product == found.group.product)
    if found.count <= most:
        return None
    return f"add a node with {devices_text(found.group.product, found.count)} (the largest has {most})"


def _larger_device(subject: Subject, _: Inventory) -> str | None:
    """Propose the smallest single GPU that would hold the model."""
    if subject.spec.accelerator.kind is AcceleratorKind.CPU:
        return None
    free = _with_accelerator(subject, Accelerator(kind=AcceleratorKind.GPU))

    def fits(gib: int) -> bool:
        return _fits(free, Inventory(groups=(_imagined_gpu(gib),))) is not None

    if not fits(_LARGEST_DEVICE_GIB):
        return None
    enough = 1 + _last_true(lambda gib: not fits(gib), 0, _LARGEST_DEVICE_GIB)
    return f"add a node with a GPU of at least {enough} GiB of usable memory"


def _imagined_gpu(gib: int) -> NodeGroup:
    """Return a node with one GPU of a current generation."""
    return NodeGroup(
        resource=NVIDIA_RESOURCE,
        product="GPU",
        device_memory_gib=float(gib),
        devices_per_node=1,
        compute_capability=(9, 0),
        nodes=1,
        selector=(),
        taints=(),
        allocatable_memory_gib=math.inf,
        allocatable_cpu=math.inf,
    )


def _larger_node(subject: Subject, _: Inventory) -> str | None:
    """Propose the smallest CPU node that would hold the model, where CPU was asked for."""
    if subject.spec.accelerator.kind is not AcceleratorKind.CPU:
        return None

    def fits(gib: int) -> bool:
        return _fits(subject, Inventory(groups=(_imagined_cpu(subject, gib),))) is not None

    if not fits(_LARGEST_DEVICE_GIB):
        return None
    enough = 1 + _last_true(lambda gib: not fits(gib), 0, _LARGEST_DEVICE_GIB)
    return f"add a CPU node with at least {enough} GiB of allocatable memory"


def _imagined_cpu(subject: Subject, gib: int) -> NodeGroup:
    """Return a node without devices that has cores enough."""
    return NodeGroup(
        resource=CPU_RESOURCE,
        product=CPU_PRODUCT,
        device_memory_gib=float(gib),
        devices_per_node=0,
        compute_capability=None,
        nodes=1,
        selector=(),
        taints=(),
        allocatable_memory_gib=float(gib),
        allocatable_cpu=subject.policy.cpu_request_cores,
    )


def _last_true(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return the last number from ``low`` on for which it holds; it holds at ``low`` and not at ``high``."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


_FOR_LESS = (_shorter, _fewer_at_once, _narrower_cache, _narrower_weights)
_OTHERWISE = (_other_count, _other_accelerator)
_WITH_MORE = (_more_devices, _larger_device, _larger_node, _on_cpu)
