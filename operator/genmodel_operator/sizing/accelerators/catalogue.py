"""The catalogue of accelerators: from any name that a product goes by to what the planner must know of it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from genmodel_operator.sizing.accelerators.groups import NVIDIA

_MAKERS = frozenset(
    {"amd", "center", "corporation", "data", "geforce", "gpu", "graphics", "instinct", "intel", "nvidia", "radeon"}
    | {"quadro", "tesla"}
)
"""Words of a product's name that do not tell it from others."""
_MIG = re.compile(r"-MIG-(?P<profile>\S+)$", re.IGNORECASE)

_LEAST_OF_LABEL, _MOST_OF_LABEL = 0.8, 1.15
"""A memory label of one device lies within this range of the product's: ECC and drivers take some per cent."""
_SAME_PRODUCT = 0.1
"""Entries of one name that differ by more are sizes of the product, not two descriptions of one."""
_EQUAL_TO_LABEL = 0.02
"""So near the label is that of the product as it was logged."""


@dataclass(frozen=True, slots=True)
class Product:
    """One product.

    Attributes:
        name: as GPU feature discovery or AMD's labeller names it; what ``spec.accelerator.products`` holds.
        vendor: who makes it.
        label_mebibytes: memory of one device as labels and boxes give it, in MiB.
        memory_gib: the same as torch sees it, in GiB.
        compute_capability: (major, minor); None on other devices than NVIDIA's.
        architecture: ``gfx942`` and the like; empty on other devices than AMD's.
        interconnect: ``nvlink``, ``xgmi`` or ``pcie`` between the devices of a node.
        aliases: other names, as clouds and provisioners write them.
        device_ids: PCI device ids, lower case hex, by which AMD's labeller names products.
        source: where ``memory_gib`` comes from.
        overrides_labels: ``memory_gib`` holds whatever a plausible label says.
        refusal: why the product is never planned with, empty where it is.

    """

    name: str
    vendor: str
    label_mebibytes: int
    memory_gib: float
    compute_capability: tuple[int, int] | None = None
    architecture: str = ""
    interconnect: str = "pcie"
    aliases: tuple[str, ...] = ()
    device_ids: tuple[str, ...] = ()
    source: str = ""
    overrides_labels: bool = False
    refusal: str = ""

    def is_plausible(self, mebibytes: int) -> bool:
        """Whether a label of so many MiB can be the memory of one such device."""
        return _LEAST_OF_LABEL <= mebibytes / self.label_mebibytes <= _MOST_OF_LABEL

    def distance(self, mebibytes: int) -> float:
        """Return how far a label of so many MiB is from the product's own, as a share of it."""
        return abs(mebibytes / self.label_mebibytes - 1)

    def seen_gib(self, mebibytes: int) -> float:
        """Return what the engine sees of such a device whose label says so many MiB, in GiB."""
        if self.overrides_labels or self.distance(mebibytes) <= _EQUAL_TO_LABEL:
            return self.memory_gib
        return device_total_gib(mebibytes)


def device_total_gib(label_mebibytes: float) -> float:
    """Return what the engine sees of a device whose label says this many MiB, in GiB.

    The label is the memory on the box. Every logged total lies below it, by 0.5 to 1.4 % and by up
    to 0.6 GiB on small cards (T4 15.0 -> 14.56, A10 22.49 -> 22.07, L40S 44.99 -> 44.4, A100 40 ->
    39.4, H100 79.65 -> 79.19): 1 %, at least 0.6 GiB, is at or below all of them.
    """
    label_gib = label_mebibytes / 1024
    return label_gib - max(0.01 * label_gib, 0.6)


def product_key(name: str) -> str:
    """Return a product's name without its maker, case and punctuation: ``NVIDIA-L4`` and ``nvidia-l4`` are ``l4``."""
    words = re.findall(r"[a-z0-9]+", name.lower())
    return "-".join(word for word in words if word not in _MAKERS)


def mig_profile(product: str) -> tuple[str, str] | None:
    """Return product and profile of a MIG slice's product label, None where it is no slice."""
    match = _MIG.search(product)
    return (product[: match.start()], match["profile"]) if match else None


class Catalogue:
    """Finds products by any of their names; later entries replace earlier ones of the same name and memory."""

    def __init__(self, products: Iterable[Product]) -> None:
        """Take all products, own ones last."""
        self._by_key: dict[str, list[Product]] = {}
        self._by_device_id: dict[str, Product] = {}
        for product in products:
            self._add(product)

    def _add(self, product: Product) -> None:
        for name in (product.name, *product.aliases):
            listed = self._by_key.setdefault(product_key(name), [])
            listed[:] = [known for known in listed if not _replaces(product, known)] + [product]
        self._by_device_id |= dict.fromkeys(product.device_ids, product)

    def named(self, name: str) -> tuple[Product, ...]:
        """Return every product that goes by this name: several where the name leaves the memory open."""
        return tuple(self._by_key.get(product_key(name), ()))

    def find(self, name: str, mebibytes: int | None = None) -> Product | None:
        """Return the product of this name, by the memory where the name leaves it open; None where none is sure."""
        found = list(self.named(name))
        if mebibytes is not None:
            plausible = [product for product in found if product.is_plausible(mebibytes)]
            nearest = min((product.distance(mebibytes) for product in plausible), default=0.0)
            found = [product for product in plausible if product.distance(mebibytes) == nearest]
        return found[0] if len(found) == 1 else None

    def of_device_id(self, device_id: str) -> Product | None:
        """Return the product with this PCI device id (hex digits, any case)."""
        return self._by_device_id.get(device_id.lower())


def _replaces(new: Product, known: Product) -> bool:
    return product_key(new.name) == product_key(known.name) and new.distance(known.label_mebibytes) <= _SAME_PRODUCT


def is_whole_node(mebibytes: int, count: int, products: Iterable[Product]) -> bool:
    """Whether a memory label is that of all devices of a node together."""
    return count > 1 and any(product.is_plausible(mebibytes // count) for product in products)


LARGEST_LABEL_MEBIBYTES = 320 * 1024
"""No single device has as much (GB300: 277.5 GiB, MI355X: 288): a label above is not that of one device."""
SMALLEST_LABEL_MEBIBYTES = 1024
"""No device that serves a model has as little: a label below is not in MiB."""


def own_product(  # one argument per property that a platform team can set
    *,
    name: str,
    vendor: str = NVIDIA,
    memory_gib: float,
    compute_capability: tuple[int, int] | None,
    architecture: str = "",
    interconnect: str = "pcie",
    aliases: tuple[str, ...] = (),
) -> Product:
    """Return a product as the platform team describes it: ``memory_gib`` is what the engine sees."""
    return Product(
        name=name,
        vendor=vendor,
        label_mebibytes=round(memory_gib * 1024),
        memory_gib=memory_gib,
        compute_capability=compute_capability,
        architecture=architecture,
        interconnect=interconnect,
        aliases=aliases,
        source="the setting accelerators.products",
        overrides_labels=True,
    )
