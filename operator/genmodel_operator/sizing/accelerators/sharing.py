"""GPUs that several pods share: who says so, among how many, and whether that can be planned with.

The engine starts only where the memory that it may use is free, and keeps it for as long as it
runs. With time slices every pod sees the whole memory and nothing keeps one from taking another's
part: a model would start or not, or take down its neighbour, by chance. So shares are planned with
only where the platform team says that models of this operator are alone on them.
"""

from dataclasses import replace

from genmodel_operator.sizing.accelerators.cloud import GKE_CLIENTS
from genmodel_operator.sizing.accelerators.devices import Devices, InventoryRules, refused
from genmodel_operator.sizing.accelerators.nodes import Node

GKE_STRATEGY = "cloud.google.com/gke-gpu-sharing-strategy"
SHARED_SUFFIX = "-SHARED"
_NOT_SHARED = frozenset({"", "none"})
_NO_SHARES = frozenset({"", "0", "1"})
_MOST_SHARES = 64


def apply_sharing(node: Node, devices: Devices, rules: InventoryRules) -> Devices:
    """Return devices as they can be planned with where pods share them, the same where they do not."""
    base = devices.resource.removesuffix(".shared")
    strategy_label, replicas_label = _labels_that_speak(node, base)
    strategy, replicas = node.label(strategy_label), node.label(replicas_label)
    is_shared = (
        strategy.lower() not in _NOT_SHARED
        or replicas not in _NO_SHARES
        or devices.resource != base
        or node.label(f"{base}.product").endswith(SHARED_SUFFIX)
    )
    if not is_shared or devices.refusal:
        return devices
    own = {key: node.labels[key] for key in (strategy_label, replicas_label) if node.label(key)}
    devices = replace(devices, identity=tuple(sorted((dict(devices.identity) | own).items())))
    if strategy.lower() == "mps":
        return _refused(devices, "shares its GPUs by MPS, which the engine is not planned on")
    if not (replicas.isdecimal() and 1 < int(replicas) <= _MOST_SHARES):
        said = f"{replicas_label}={replicas}" if replicas else f"no label {replicas_label}"
        return _refused(
            devices, f"shares its GPUs ({devices.product}), but has {said}, which tells no number of shares"
        )
    if not rules.plan_time_slices:
        return _refused(devices, _why_not(devices.product))
    return replace(devices, memory_gib=devices.memory_gib / int(replicas), shared_by=int(replicas))


def _labels_that_speak(node: Node, base: str) -> tuple[str, str]:
    """Return the labels for strategy and number of shares: those of GKE where the vendor's tell of none."""
    if node.label(GKE_CLIENTS) and node.label(f"{base}.replicas") in _NO_SHARES:
        return GKE_STRATEGY, GKE_CLIENTS
    return f"{base}.sharing-strategy", f"{base}.replicas"


def _why_not(product: str) -> str:
    return (
        f"shares its GPUs ({product}) by time slices, which keep no pod from another's memory; "
        "accelerators.timeSlices allows it where only models use them"
    )


def _refused(devices: Devices, reason: str) -> Devices:
    return refused(devices.resource, devices.count, devices.product, reason, devices.identity)
