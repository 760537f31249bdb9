"""Candidates: which nodes and how many devices could serve a model, and what becomes of each."""

from collections.abc import Iterable

from genmodel_operator.api.v1alpha1 import AcceleratorKind
from genmodel_operator.sizing.accelerators import NodeGroup, product_key
from genmodel_operator.sizing.cpu import why_unserved
from genmodel_operator.sizing.fitting import Fit, Rejection
from genmodel_operator.sizing.memory import GIB
from genmodel_operator.sizing.on_cpu import cpu_server, fit_on_cpu
from genmodel_operator.sizing.on_gpus import fit_on_gpus
from genmodel_operator.sizing.precision import Served, served_on
from genmodel_operator.sizing.shape.model import Unsizable
from genmodel_operator.sizing.subject import Subject
from genmodel_operator.sizing.tensors.layout import why_invalid_layout
from genmodel_operator.sizing.tensors.model import Layout

_MOST_DEVICES = 16
"""Devices of one replica, at most: they are in one node."""


def candidate_groups(subject: Subject, groups: Iterable[NodeGroup]) -> list[NodeGroup]:
    """Return the groups that ``spec.accelerator`` allows."""
    wanted = subject.spec.accelerator
    only_gpus = wanted.kind is AcceleratorKind.GPU or wanted.products is not None or wanted.count is not None
    products = None if wanted.products is None else {product_key(product) for product in wanted.products}
    chosen = []
    for group in groups:
        if group.is_gpu:
            is_wanted = products is None or product_key(group.product) in products
            fits_wish = wanted.kind is not AcceleratorKind.CPU and is_wanted
        else:
            fits_wish = not only_gpus and (wanted.kind is AcceleratorKind.CPU or not group.beside_devices)
        if fits_wish:
            chosen.append(group)
    return chosen


def evaluate_group(subject: Subject, group: NodeGroup) -> list[Fit | Rejection]:
    """Return what becomes of the model on a group, for each number of devices that makes sense."""
    first = subject.spec.accelerator.count or 1 if group.is_gpu else 0
    wanted = subject.spec.precision
    served = _why_never(subject, group) or served_on(subject.facts, subject.shape, wanted, group, subject.release)
    if isinstance(served, str):
        return [Rejection(group, first, served)]
    sizes = _sizes(subject, group) if group.is_gpu else [0]
    return [_evaluated(subject, group, served, parallel) for parallel in sizes]


def _evaluated(subject: Subject, group: NodeGroup, served: Served, parallel: int) -> Fit | Rejection:
    try:
        return _on_gpus(subject, group, served, parallel) if parallel else _on_cpu(subject, group, served)
    except Unsizable as refused:
        return Rejection(group, parallel, refused.message)


def _why_never(subject: Subject, group: NodeGroup) -> str | None:
    """Return why no number of the group's devices will do."""
    # The team that declared a pool for models means its taints to be tolerated.
    foreign = [str(taint) for taint in group.taints if not (group.pool or subject.policy.tolerates(taint))]
    if foreign and not subject.policy.why_unserved(group):
        return f"its nodes are reserved by the taint {', '.join(foreign)}"
    return (subject.policy.why_unserved(group) or None) if group.is_gpu else _why_never_on_cpu(subject, group)


def _why_never_on_cpu(subject: Subject, group: NodeGroup) -> str | None:
    if group.architecture and group.architecture not in subject.policy.cpu_architectures:
        return f"the CPU engine is not for {group.architecture} processors"
    if group.allocatable_cpu < subject.policy.cpu_request_cores:
        return f"the server asks for {subject.policy.cpu_request_cores:g} cores, a node has {group.allocatable_cpu:g}"
    return why_unserved(subject.shape)


def _sizes(subject: Subject, group: NodeGroup) -> list[int]:
    """Return the numbers of devices to look at: what the model divides into, and powers of two."""
    if subject.spec.accelerator.count is not None:
        return [subject.spec.accelerator.count]
    most = min(group.most_per_replica, _MOST_DEVICES)
    return [
        size
        for size in range(1, most + 1)
        if size & (size - 1) == 0 or why_invalid_layout(subject.shape, Layout(size)) is None
    ]


def _on_gpus(subject: Subject, group: NodeGroup, served: Served, parallel: int) -> Fit | Rejection:
    if parallel > group.devices_per_node:
        return Rejection(group, parallel, f"a node has {group.devices_per_node}")
    if parallel > group.most_per_replica:
        return Rejection(group, parallel, "a replica uses one of these: slices and shares of GPUs cannot be joined")
    invalid = why_invalid_layout(subject.shape, Layout(parallel))
    if invalid is not None:
        return Rejection(group, parallel, invalid.message)
    cores = subject.policy.gpu_request_cores * parallel
    if cores > group.allocatable_cpu:
        return Rejection(group, parallel, f"the server asks for {cores:g} cores, a node has {group.allocatable_cpu:g}")
    return fit_on_gpus(subject, group, served, parallel)


def _on_cpu(subject: Subject, group: NodeGroup, served: Served) -> Fit | Rejection:
    limit_gib = subject.policy.cpu_max_model_gib
    weights_gib = subject.model.weights(cpu_server(subject, group, served)).total_bytes / GIB
    if subject.spec.accelerator.kind is AcceleratorKind.AUTO and weights_gib > limit_gib:
        reason = f"weights of {weights_gib:.2f} GiB are more than the {limit_gib:g} GiB served on CPU unasked"
        return Rejection(group, 0, reason)
    return fit_on_cpu(subject, group, served)
