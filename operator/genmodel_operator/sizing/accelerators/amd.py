"""AMD's devices by the labels of its node labeller.

The labeller writes ``amd.com/gpu.product-name``, ``.vram`` (whole GiB: ``192G``) and
``.device-id``, also under ``beta.amd.com``, and in its old style one label per value, which holds
how many devices have it: ``beta.amd.com/gpu.vram.16G=1``. All devices of ``amd.com/gpu`` on a node
must be alike: with two values nobody can tell which one a pod gets.
"""

import re

from genmodel_operator.sizing.accelerators.catalogue import Catalogue, Product, device_total_gib
from genmodel_operator.sizing.accelerators.cloud import identify
from genmodel_operator.sizing.accelerators.devices import Devices, InventoryRules, refused
from genmodel_operator.sizing.accelerators.groups import AMD_RESOURCE
from genmodel_operator.sizing.accelerators.nodes import Node

_DOMAINS = ("amd.com/gpu", "beta.amd.com/gpu")
_PARTITION = "amd.com/gpu.compute-memory-partition"
_WHOLE = "spx_nps1"
_VRAM = re.compile(r"(?P<gib>\d{1,4})G")
_ROUNDING_MEBIBYTES = 512
"""The labeller rounds memory to whole GiB."""


def read_amd(node: Node, resource: str, count: int, rules: InventoryRules) -> Devices:
    """Return the devices behind one of AMD's resources."""
    name, device_id, vram = (_value(node, kind) for kind in ("product-name", "device-id", "vram"))
    mixed = next((one for one in (name, device_id, vram) if isinstance(one, tuple)), None)
    partition = node.label(_PARTITION)
    if resource != AMD_RESOURCE or (partition and partition.lower() != _WHOLE):
        said = f"{_PARTITION}={partition}" if partition else "it is no whole GPU"
        return refused(resource, count, "", f"has {resource} with {said}, which is not planned with")
    if mixed is not None:
        reason = f"has different GPUs under {resource} ({', '.join(mixed)}): nobody can tell which a pod gets"
        return refused(resource, count, "", reason)
    if not isinstance(name, _Said) and not isinstance(device_id, _Said):
        return identify(node, resource, count, rules.catalogue)
    return _known(node, count, rules.catalogue, _said(name), _said(device_id), _said(vram))


class _Said:
    """One value that a label of the labeller gives, with the label and its value to ask for."""

    __slots__ = ("key", "label_value", "value")

    def __init__(self, value: str, key: str, label_value: str) -> None:
        self.value, self.key, self.label_value = value, key, label_value


def _said(found: "_Said | tuple[str, ...] | None") -> _Said | None:
    return found if isinstance(found, _Said) else None


def _value(node: Node, kind: str) -> _Said | tuple[str, ...] | None:
    """Return what labels say of one property; several labels where the devices differ, None where none speaks."""
    for domain in _DOMAINS:
        key = f"{domain}.{kind}"
        if node.label(key):
            return _Said(node.label(key), key, node.label(key))
    for domain in _DOMAINS:
        prefix = f"{domain}.{kind}."
        counted = sorted(key for key in node.labels if key.startswith(prefix))
        if len(counted) > 1:
            return tuple(counted)
        if counted:
            return _Said(counted[0].removeprefix(prefix), counted[0], node.labels[counted[0]])
    return None


def _known(
    node: Node, count: int, catalogue: Catalogue, name: _Said | None, device_id: _Said | None, vram: _Said | None
) -> Devices:
    size = _VRAM.fullmatch(vram.value) if vram else None
    mebibytes = int(size["gib"]) * 1024 if size else None
    product = _product(catalogue, name, device_id)
    shown = name.value if name else product.name if product else ""
    identity = tuple((said.key, said.label_value) for said in (name or device_id,) if said and said.label_value)
    problem = _why_wrong_memory(product, vram, mebibytes)
    if problem is not None:
        return refused(AMD_RESOURCE, count, shown, problem, identity)
    return Devices(
        resource=AMD_RESOURCE,
        count=count,
        product=shown or f"device-{device_id.value}" if device_id else shown,
        memory_gib=_memory_gib(product, mebibytes),
        architecture=product.architecture if product else "",
        interconnect=product.interconnect if product else "",
        identity=identity,
        refusal=product.refusal if product else "",
    )


def _product(catalogue: Catalogue, name: _Said | None, device_id: _Said | None) -> Product | None:
    found = catalogue.find(name.value) if name else None
    return found or (catalogue.of_device_id(device_id.value) if device_id else None)


def _why_wrong_memory(product: Product | None, vram: _Said | None, mebibytes: int | None) -> str | None:
    said = f"has the label {vram.key}={vram.label_value}" if vram else ""
    if vram and mebibytes is None:
        return f"{said}, which is no memory in whole GiB such as 192G"
    if product is None and not mebibytes:
        return (
            "has AMD GPUs that the catalogue does not know and no label amd.com/gpu.vram (AMD's node labeller sets it)"
        )
    if product is not None and mebibytes is not None and not product.is_plausible(mebibytes):
        return f"{said}, but one {product.name} has {product.label_mebibytes // 1024} GiB"
    return None


def _memory_gib(product: Product | None, mebibytes: int | None) -> float:
    if product is not None:
        return product.memory_gib if mebibytes is None else product.seen_gib(mebibytes)
    return device_total_gib((mebibytes or 0) - _ROUNDING_MEBIBYTES)
