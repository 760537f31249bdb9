"""Memory of a device outside torch: communication, kernels, the context, CUDA graphs. In bytes.

Constants are medians of logged starts; each names how many show it.
"""

from genmodel_operator.sizing.budget.defaults import GIB, capture_sizes
from genmodel_operator.sizing.budget.runner import has_experts, samples, uses_second_runner
from genmodel_operator.sizing.budget.settings import BudgetSettings
from genmodel_operator.sizing.shape.model import ModelShape

_ALL_SIZES = 51
"""Batch sizes up to 512, for which graphs are captured by default."""


def non_torch_bytes(shape: ModelShape, settings: BudgetSettings) -> int:
    """Return the growth outside torch that the budget pays for.

    One device: 0.13 GiB before 0.18, 0.25 from then on (46 starts). Several: the buffers of their
    communication. Up to 0.9.1 the context counted too (PR 19312). From 0.27 on all that stays allocated
    beside the weights counts.
    """
    gib = _communication_gib(shape, settings) if _devices_that_talk(shape, settings) > 1 else _alone_gib(settings)
    if not settings.release.since(9, 2):
        gib += 0.5
    return int(gib * GIB) + (_kept_bytes(shape, settings) if settings.release.since(27) else 0)


def _kept_bytes(shape: ModelShape, settings: BudgetSettings) -> int:
    """Return what stays allocated on torch's side beside the weights.

    The second runner keeps a count of four bytes and a bit for each request and word of the vocabulary,
    and 0.05 GiB of other buffers (5 dense starts of 0.32, one of them compiled; 3 mixtures keep about 0.5
    more there, which is estimated as activation). Where a server compiles, -0.2 to 1.7 GiB stay in all,
    median 0.6 (7 starts before 0.29).
    """
    kept = 0
    if uses_second_runner(shape, settings.release) and samples(shape) and not settings.pools:
        counters = settings.batch.max_num_seqs * (4 * shape.vocab + 4 * -(-shape.vocab // 32))
        kept = counters + int(0.05 * GIB)
    return kept if settings.enforce_eager else max(kept, int(0.6 * GIB))


def graph_bytes(shape: ModelShape, settings: BudgetSettings) -> int:
    """Return the memory of CUDA graphs; 0 without them.

    Before 0.21 what was captured: 0.252 GiB and 0.018 per layer for all batch sizes, 0.75 more for
    mixtures, a tenth less per doubling of devices (44 starts on H100). From 0.21 on what the engine
    sets aside, 0.4 GiB for all batch sizes: its extrapolation from two graphs is far less regular.
    """
    if settings.enforce_eager:
        return 0
    share = min(1.0, capture_sizes(settings.batch) / _ALL_SIZES)
    if settings.release.since(21):
        return int(0.4 * share * GIB)
    layers = len(shape.layers) / settings.layout.pipeline_parallel
    gib = 0.252 + 0.018 * layers + (0.75 if has_experts(shape) else 0.0)
    doublings = settings.layout.tensor_parallel.bit_length() - 1
    return int(gib * 0.9**doublings * share * GIB)


def graphs_in_budget(shape: ModelShape, settings: BudgetSettings) -> bool:
    """Whether the engine takes an estimate of the graphs out of its budget: from 0.21 on (PR 38284).

    The second runner answered 0 until 0.29 (issue 49224).
    """
    release = settings.release
    return release.since(21) and (release.since(29) or not uses_second_runner(shape, release))


def context_bytes(shape: ModelShape, settings: BudgetSettings) -> int:
    """Return what the context and the communication take before the engine's first reading of free memory.

    0.51 GiB on one H100, 1.5 on several, 2.0 for mixtures; less on smaller cards and without NVLink.
    It grows slower than any reserve that is a share of the device.
    """
    if _devices_that_talk(shape, settings) > 1 and settings.device.reduces_over_nvlink:
        return int((2.0 if has_experts(shape) else 1.45) * GIB)
    beyond_small = settings.device.memory_bytes / GIB - 24
    return int((0.3 + 0.2 * min(1.0, max(0.0, beyond_small / 55))) * GIB)


def unseen_bytes(shape: ModelShape, settings: BudgetSettings, weights_bytes: int) -> int:
    """Return what the warm-up after the cache takes and the profile does not see.

    Only MXFP4 weights show it, from 0.17 on: three starts of 0.19 and 0.28 ran out of memory there
    and two did not, which a sixth of their weights tells apart (an eighth to a quarter does). On
    0.11 none did.
    """
    quantization = shape.quantization
    is_mxfp4 = quantization is not None and quantization.method == "mxfp4"
    return weights_bytes // 6 if is_mxfp4 and settings.release.since(17) else 0


def _alone_gib(settings: BudgetSettings) -> float:
    if settings.layout.pipeline_parallel > 1:
        return 0.07
    return 0.25 if settings.release.since(18) else 0.13


def _communication_gib(shape: ModelShape, settings: BudgetSettings) -> float:
    """Return the buffers of devices that reduce together.

    NVLink from Hopper on: 2.06 to 2.21 GiB from 0.18 on (16 starts), before it 0.55 on two devices
    and up to 1.8 on eight (7 starts). PCIe: 0.1 to 0.3 before (4 starts), little more since.
    """
    devices = _devices_that_talk(shape, settings)
    if settings.device.reduces_over_nvlink and settings.release.since(18):
        return 2.05 + 0.025 * min(devices, 8)
    if settings.device.interconnect == "nvlink":
        return 0.55 + 0.2 * (min(devices, 8) - 2)
    return 0.4 if settings.release.since(18) else 0.25


def _devices_that_talk(shape: ModelShape, settings: BudgetSettings) -> int:
    """Return how many devices reduce or exchange tokens in every layer; ranks of a mixture do across replicas."""
    layout = settings.layout
    replicas = layout.data_parallel if layout.data_parallel > 1 and has_experts(shape) else 1
    return layout.tensor_parallel * replicas
