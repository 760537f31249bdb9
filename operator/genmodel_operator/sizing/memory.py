"""What a plan adds to the engine's own figures: margins, host memory, disk, and the limits of a batch.

Everything is in bytes, so that the parts of a plan add up exactly.
"""

import math

from genmodel_operator.hub.facts import ModelFacts
from genmodel_operator.sizing.accelerators import NVIDIA, NodeGroup
from genmodel_operator.sizing.budget.budget import Budget
from genmodel_operator.sizing.budget.defaults import Batch
from genmodel_operator.sizing.budget.release import Release
from genmodel_operator.sizing.budget.runner import has_state
from genmodel_operator.sizing.shape.model import ModelShape

GIB = 1024**3

MOST_UTILIZATION = 0.95
"""The highest share of a device at which most logged servers ran."""
_MOST_NON_TORCH_GIB = 6.0
"""Outside torch on other GPUs than NVIDIA's, of which few starts were logged: 0.5 to 6 GiB."""


def gib_to_bytes(gib: float) -> int:
    """Return GiB in whole bytes, rounded up."""
    return math.ceil(gib * GIB)


def gpu_margin_bytes(total_bytes: int, *, devices: int, shape: ModelShape) -> int:
    """Return what is kept free on one device for what the figures may be off by.

    At least 0.5 GiB or 1 % on one device, 1 GiB or 1.5 % on several; 1 GiB more on cards of up to
    24 GiB, where the first start, without compiled code, takes about that much more; 2 GiB more for
    models with states, whose kernels allocate outside torch, and for those that take images.
    """
    gib = total_bytes / GIB
    least = max(0.5, 0.01 * gib) if devices == 1 else max(1.0, 0.015 * gib)
    cold = 1.0 if gib <= 24 else 0.0
    kind = 2.0 if shape.is_multimodal or has_state(shape) else 0.0
    return gib_to_bytes(least + cold + kind)


def vendor_margin_bytes(vendor: str, non_torch_bytes: int) -> int:
    """Return what is kept free on top for memory outside torch on GPUs of which few starts were logged."""
    return 0 if vendor == NVIDIA else max(0, gib_to_bytes(_MOST_NON_TORCH_GIB) - non_torch_bytes)


def utilization(budget: Budget, release: Release, *, devices: int) -> float:
    """Return the share of a device that the engine is given, in whole per cent rounded down.

    Outside it lie the context, the warm-up and, before 0.21, the graphs; half a GiB more is kept
    there, and before 0.21 at least 1.5 GiB on one device and 3 on several.
    """
    outside = budget.reserve_needed + GIB // 2
    if not release.since(21):
        outside = max(outside, gib_to_bytes(1.5 if devices == 1 else 3.0))
    return max(0.01, min(MOST_UTILIZATION, math.floor(100 * (budget.total - outside) / budget.total) / 100))


def shm_bytes(tensor_parallel: int) -> int:
    """Return the size of ``/dev/shm``, which counts against the container's memory.

    One message queue takes 160 MiB; NCCL needs more: 1 GiB alone, 2 GiB and 1 GiB per further device.
    """
    return GIB if tensor_parallel == 1 else (1 + tensor_parallel) * GIB


def gpu_host_bytes(facts: ModelFacts, *, tensor_parallel: int) -> int:
    """Return the host memory of a server on GPUs: processes, the largest file and ``/dev/shm``.

    4 GiB, 2.5 GiB per device, and the file that is mapped while it is loaded; in whole GiB.
    """
    largest = max((file.size_bytes for file in facts.files if file.path.endswith(".safetensors")), default=0)
    needed = gib_to_bytes(4 + 2.5 * tensor_parallel) + largest + shm_bytes(tensor_parallel)
    return whole(needed, GIB)


def ephemeral_bytes(facts: ModelFacts) -> int:
    """Return the size of the volume for the weights: 5 % and 0.5 GiB more than the files, in whole GiB."""
    return whole(math.ceil(1.05 * facts.download_bytes) + GIB // 2, GIB)


def gpu_max_batch(group: NodeGroup) -> Batch:
    """Return the largest batch limits planned for a device: larger cards take more tokens per step."""
    return Batch(256, 8192 if group.device_memory_gib >= 70 else 2048)


GPU_SMALL_BATCH = Batch(64, 2048)
"""Batch limits when memory is short."""


def whole(size: int, unit: int) -> int:
    """Return the size rounded up to a multiple of ``unit``."""
    return -(-size // unit) * unit
