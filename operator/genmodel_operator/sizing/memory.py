"""What a server needs besides weights and cache: activation, overhead, margins, host memory and disk.

The constants were fitted on logged start-ups of real servers (vLLM 0.8 to 0.28, most on H100), and
each names its origin. Everything is in bytes, so that the parts of a plan add up exactly.
"""

import math
import re
from dataclasses import dataclass

from genmodel_operator.hub.facts import ModelFacts, ServedTask
from genmodel_operator.sizing.accelerators import NodeGroup
from genmodel_operator.sizing.architecture import Architecture

GIB = 1024**3

Version = tuple[int, int]
"""Release of the engine as (major, minor)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The engine's batch limits: requests and tokens of one step."""

    max_num_seqs: int
    max_num_batched_tokens: int


def parse_version(text: str) -> Version:
    """Return (major, minor) of a release such as ``0.32.0``; ``ValueError`` where it is none."""
    match = re.match(r"v?(\d+)\.(\d+)", text)
    if match is None:
        raise ValueError(f"not an engine release: {text!r}")
    return int(match[1]), int(match[2])


def gib_to_bytes(gib: float) -> int:
    """Return GiB in whole bytes, rounded up."""
    return math.ceil(gib * GIB)


def activation_bytes(
    architecture: Architecture, *, batch: Batch, tensor_parallel: int, element_bytes: int, bytes_per_logit: float
) -> int:
    """Return the peak of intermediate results in the engine's profile run.

    The larger of the sampler's step (logits of every request in float32, sorted) and of the widest
    layer, and what a mixture of experts keeps as workspace. The formula is for 16 bit elements;
    wider ones take more. ``bytes_per_logit`` is 0 where nothing is sampled.
    """
    wide = element_bytes / 2
    tokens, hidden = batch.max_num_batched_tokens, architecture.hidden
    sampler = bytes_per_logit * batch.max_num_seqs * architecture.vocab + 4 * tokens * hidden * wide
    layer = tokens * (6 * architecture.intermediate / tensor_parallel + 8 * hidden) * wide
    expert = 6 * architecture.expert_intermediate / tensor_parallel + 2 * hidden
    mixture = 0.9 * tokens * architecture.experts_per_token * expert * wide if architecture.experts else 0.0
    return math.ceil(max(sampler, layer) + mixture)


def bytes_per_logit(task: ServedTask, *, on_gpu: bool, engine: Version) -> float:
    """Return what the sampler needs per word of the vocabulary and request.

    38.5 where top-k and top-p sort the logits (before 0.17, and on CPU still), 14.3 with the
    kernel that replaced the sort on GPUs. Embedding models sample nothing.
    """
    if task is ServedTask.EMBED:
        return 0.0
    return 14.3 if on_gpu and engine >= (0, 17) else 38.5


@dataclass(frozen=True, slots=True)
class GPUOverhead:
    """Memory of a device that is neither torch's nor the plan's to give, in bytes.

    Attributes:
        non_torch: growth outside torch during start (NCCL buffers, kernels).
        graphs: CUDA graphs, where the engine's budget pays for them (from 0.21 on).
        outside: what stays outside ``gpu_memory_utilization``: the context, the sampler's warm-up,
            and before 0.21 the graphs.

    """

    non_torch: int
    graphs: int
    outside: int

    @property
    def total(self) -> int:
        """Everything together."""
        return self.non_torch + self.graphs + self.outside


def gpu_overhead(
    total_bytes: int, *, product: str, tensor_parallel: int, is_mixture: bool, max_num_seqs: int, engine: Version
) -> GPUOverhead:
    """Return the declared overhead on one device.

    Logged: non-torch 0.25 GiB (0.13 before 0.18) on one device; on several 2.1 (1.0) with NVLink
    and 1.0 (0.3) without; the context with NCCL 0.5, on several devices 1.5 and 2.0 for mixtures.
    Graphs took 0.9 GiB for 256 and more requests, up to 1.9 on several devices, less with fewer.
    Outside the utilisation at least 5 % stay: 0.95 is the highest at which most servers ran.
    """
    alone = tensor_parallel == 1
    if engine >= (0, 21):
        graphs = (0.9 if alone else 1.9) * min(1.0, max_num_seqs / 256)
        outside = 1.0 if alone else 2.5 if is_mixture else 2.0
    else:
        graphs = 0.0
        outside = 1.5 if alone else 3.0
    return GPUOverhead(
        non_torch=gib_to_bytes(_non_torch_gib(product, alone=alone, engine=engine)),
        graphs=gib_to_bytes(graphs),
        outside=max(gib_to_bytes(outside), int(0.05 * total_bytes)),
    )


def _non_torch_gib(product: str, *, alone: bool, engine: Version) -> float:
    older = engine < (0, 18)
    context = 0.5 if engine <= (0, 9) else 0.0
    if alone:
        return context + (0.13 if older else 0.25)
    if has_nvlink(product):
        return context + (1.0 if older else 2.1)
    return context + (0.3 if older else 1.0)


def has_nvlink(product: str) -> bool:
    """Whether a product's name says that its devices are joined by NVLink."""
    return re.search(r"SXM|NVL|HGX|\bG[BH]\d|HBM", product.upper()) is not None


def gpu_margin_bytes(total_bytes: int, *, tensor_parallel: int) -> int:
    """Return what is kept free on one device, in bytes.

    At least 0.5 GiB or 1 % on one device, 1 GiB or 1.5 % on several; 1 GiB more on cards of up to
    24 GiB, where the first start, without compiled code, takes about that much more.
    """
    gib = total_bytes / GIB
    least = max(0.5, 0.01 * gib) if tensor_parallel == 1 else max(1.0, 0.015 * gib)
    return gib_to_bytes(least + (1.0 if gib <= 24 else 0.0))


def gpu_memory_utilization(total_bytes: int, overhead: GPUOverhead) -> float:
    """Return the engine's share of the device, rounded down to whole per cent."""
    return math.floor(100 * (total_bytes - overhead.outside) / total_bytes) / 100


CPU_PROCESSES_BYTES = gib_to_bytes(2.8)
"""Three Python processes with torch, without weights and cache (measured with vLLM 0.32: 2.8 GiB)."""


def cpu_margin_bytes(weights: int) -> int:
    """Return what is kept free in a container on CPU: 0.5 GiB, at least 5 % of the weights."""
    return max(gib_to_bytes(0.5), math.ceil(0.05 * weights))


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
    return _whole(needed, GIB)


def ephemeral_bytes(facts: ModelFacts) -> int:
    """Return the size of the volume for the weights: 5 % and 0.5 GiB more than the files, in whole GiB."""
    return _whole(math.ceil(1.05 * facts.download_bytes) + GIB // 2, GIB)


def gpu_max_batch(group: NodeGroup) -> Batch:
    """Return the largest batch limits planned for a device: larger cards take more tokens per step."""
    return Batch(256, 8192 if group.device_memory_gib >= 70 else 2048)


GPU_SMALL_BATCH = Batch(64, 2048)
"""Batch limits when memory is short: 1 GiB and more goes back to the cache."""
CPU_BATCH = Batch(32, 2048)
"""Batch limits on CPU, where cores, not memory, bound the requests served at once."""


def _whole(size: int, unit: int) -> int:
    return -(-size // unit) * unit
