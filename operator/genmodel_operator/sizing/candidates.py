"""Candidates: which nodes and how many devices could serve a model, and what becomes of each."""

from collections.abc import Iterable

from genmodel_operator.api.v1alpha1 import AcceleratorKind
from genmodel_operator.sizing.accelerators import NodeGroup
from genmodel_operator.sizing.fitting import Fit, Rejection, fit_on_cpu, fit_on_gpus
from genmodel_operator.sizing.memory import GIB
from genmodel_operator.sizing.parallel import why_invalid
from genmodel_operator.sizing.precision import Served, served_on
from genmodel_operator.sizing.subject import Subject

_MOST_DEVICES = 16
"""Devices of one replica, at most: they are in one node."""
_CPU_HEAD_DIMS = frozenset({32, 64, 80, 96, 112, 128, 160, 192, 224, 256, 512})
"""Head sizes of the engine's attention on CPU (0.32); with others it starts and dies on the first request."""


def candidate_groups(subject: Subject, groups: Iterable[NodeGroup]) -> list[NodeGroup]:
    """Return the groups that ``spec.accelerator`` allows."""
    wanted = subject.spec.accelerator
    only_gpus = wanted.kind is AcceleratorKind.GPU or wanted.products is not None or wanted.count is not None
    chosen = []
    for group in groups:
        if group.is_gpu:
            fits_wish = wanted.kind is not AcceleratorKind.CPU and group.product in (wanted.products or [group.product])
        else:
            fits_wish = not only_gpus and (wanted.kind is AcceleratorKind.CPU or not group.beside_devices)
        if fits_wish:
            chosen.append(group)
    return chosen


def evaluate_group(subject: Subject, group: NodeGroup) -> list[Fit | Rejection]:
    """Return what becomes of the model on a group, for each number of devices that makes sense."""
    first = subject.spec.accelerator.count or 1 if group.is_gpu else 0
    served = _why_never(subject, group) or served_on(subject.facts, subject.spec.precision, group, subject.engine)
    if isinstance(served, str):
        return [Rejection(group, first, served)]
    if not group.is_gpu:
        return [_on_cpu(subject, group, served)]
    return [_on_gpus(subject, group, served, parallel) for parallel in _sizes(subject, group)]


def _why_never(subject: Subject, group: NodeGroup) -> str | None:
    """Return why no number of the group's devices will do."""
    foreign = [str(taint) for taint in group.taints if not subject.policy.tolerates(taint)]
    if foreign:
        return f"its nodes are reserved by the taint {', '.join(foreign)}"
    if group.is_gpu:
        return None
    if group.architecture and group.architecture not in subject.policy.cpu_architectures:
        return f"the CPU engine is not for {group.architecture} processors"
    if group.allocatable_cpu < subject.policy.cpu_request_cores:
        return f"the server asks for {subject.policy.cpu_request_cores:g} cores, a node has {group.allocatable_cpu:g}"
    if subject.architecture.head_dim not in _CPU_HEAD_DIMS:
        return f"the CPU engine has no attention with heads of {subject.architecture.head_dim}"
    return None


def _sizes(subject: Subject, group: NodeGroup) -> list[int]:
    """Return the numbers of devices to look at: what the model divides into, and powers of two."""
    if subject.spec.accelerator.count is not None:
        return [subject.spec.accelerator.count]
    most = min(group.devices_per_node, _MOST_DEVICES)
    return [
        size
        for size in range(1, most + 1)
        if size & (size - 1) == 0 or why_invalid(subject.architecture, subject.facts.config, size) is None
    ]


def _on_gpus(subject: Subject, group: NodeGroup, served: Served, parallel: int) -> Fit | Rejection:
    if parallel > group.devices_per_node:
        return Rejection(group, parallel, f"a node has {group.devices_per_node}")
    invalid = why_invalid(subject.architecture, subject.facts.config, parallel)
    if invalid is not None:
        return Rejection(group, parallel, invalid)
    cores = subject.policy.gpu_request_cores * parallel
    if cores > group.allocatable_cpu:
        return Rejection(group, parallel, f"the server asks for {cores:g} cores, a node has {group.allocatable_cpu:g}")
    return fit_on_gpus(subject, group, served, parallel)


def _on_cpu(subject: Subject, group: NodeGroup, served: Served) -> Fit | Rejection:
    limit_gib = subject.policy.cpu_max_model_gib
    weights_gib = subject.weight_bytes(element_bytes=served.element_bytes) / GIB
    if subject.spec.accelerator.kind is AcceleratorKind.AUTO and weights_gib > limit_gib:
        reason = f"weights of {weights_gib:.2f} GiB are more than the {limit_gib:g} GiB served on CPU unasked"
        return Rejection(group, 0, reason)
    return fit_on_cpu(subject, group, served)
