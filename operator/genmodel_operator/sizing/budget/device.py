"""What a device's name says about it: generation and connection. An unknown name is no error."""

import re
from dataclasses import dataclass
from enum import StrEnum


class Interconnect(StrEnum):
    """How the devices of one node are joined."""

    NVLINK = "nvlink"
    PCIE = "pcie"


@dataclass(frozen=True, slots=True)
class Device:
    """One device of a server.

    Attributes:
        product: the label's value or free text.
        memory_bytes: its total as torch sees it.
        compute_capability: (major, minor) where the product is known.

    """

    product: str
    memory_bytes: int
    interconnect: Interconnect
    compute_capability: tuple[int, int] | None = None

    @property
    def is_a100(self) -> bool:
        """Whether the engine's own test for an A100 holds, which lowers its defaults."""
        return "a100" in self.product.lower()

    @property
    def reduces_over_nvlink(self) -> bool:
        """Whether newer releases reduce in a workspace of symmetric memory: NVLink from Hopper on."""
        major = (self.compute_capability or (9, 0))[0]
        return self.interconnect is Interconnect.NVLINK and 9 <= major < 12


_CAPABILITIES: tuple[tuple[str, tuple[int, int]], ...] = (
    (r"GB?300|B300", (10, 3)),
    (r"GB?200|B200|B100", (10, 0)),
    (r"GB10|DGX SPARK", (12, 1)),
    (r"RTX (PRO|50\d\d)|BLACKWELL", (12, 0)),
    (r"GH200|H[128]00|H20|HOPPER", (9, 0)),
    (r"L4|L4[00]S?|L20|RTX 40\d\d|ADA", (8, 9)),
    (r"A100|A800|A30", (8, 0)),
    (r"A10G?|A40|A16|A2|RTX A\d+|RTX 30\d\d|A[456]000", (8, 6)),
    (r"T4|RTX 20\d\d|TURING|QUADRO RTX|TITAN RTX", (7, 5)),
    (r"V100|TITAN V", (7, 0)),
    (r"P100|P40|P4", (6, 0)),
)
"""Words of product names, the first that matches counts. ``H20`` and ``H20-3e`` are Hopper too."""
_NVLINK = r"SXM\d?|NVL\d*|HGX|DGX|HBM3E?|GH200|GB[23]00|B[123]00|H[128]00|H20|MI[23]\d\d[AX]?"


def read_device(product: str, memory_bytes: int, interconnect: Interconnect | None = None) -> Device:
    """Return the device that a product label or free text describes; ``interconnect`` where it is known better."""
    words = re.sub(r"[\s_-]+", " ", product).upper()
    return Device(
        product=product,
        memory_bytes=memory_bytes,
        interconnect=interconnect or _interconnect(words),
        compute_capability=next((found for pattern, found in _CAPABILITIES if _has(pattern, words)), None),
    )


def _interconnect(words: str) -> Interconnect:
    if _has("PCIE", words) or not _has(_NVLINK, words):
        return Interconnect.PCIE
    return Interconnect.NVLINK


def _has(pattern: str, words: str) -> bool:
    return re.search(rf"(?<![A-Z0-9])(?:{pattern})(?![A-Z0-9])", words) is not None
