"""Machine types of the large clouds: which product they hold and how many.

For nodes that nobody labelled but their cloud. Sources: AWS, docs of Karpenter's provider
(reference/instance-types.md); Google Cloud, docs "GPU machine types"; Azure, docs "GPU accelerated
virtual machine sizes", all as of August 2026. A type that holds a part of a GPU is not listed:
its product label would be that of a virtual GPU, which only the driver knows.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_T4, _L4, _L40S, _A10G = "Tesla-T4", "NVIDIA-L4", "NVIDIA-L40S", "NVIDIA-A10G"
_V100_16, _V100_32 = "Tesla-V100-SXM2-16GB", "Tesla-V100-SXM2-32GB"
_A100_40, _A100_80, _A100_PCIE = "NVIDIA-A100-SXM4-40GB", "NVIDIA-A100-SXM4-80GB", "NVIDIA-A100-80GB-PCIe"
_H100, _H100_NVL, _H200 = "NVIDIA-H100-80GB-HBM3", "NVIDIA-H100-NVL", "NVIDIA-H200"
_B200, _B300, _GB200 = "NVIDIA-B200", "NVIDIA-B300-SXM6-AC", "NVIDIA-GB200"
_RTX_4500, _RTX_6000 = "NVIDIA-RTX-PRO-4500-Blackwell", "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition"
_MI300X, _V520 = "AMD_Instinct_MI300X_OAM", "AMD_Radeon_Pro_V520"


@dataclass(frozen=True, slots=True)
class Machine:
    """Devices of one machine type."""

    product: str
    count: int


_SINGLE = ("xlarge", "2xlarge", "4xlarge", "8xlarge", "16xlarge")


def _sizes(single: tuple[str, ...] = _SINGLE, **several: int) -> Mapping[str, int]:
    """Return counts by size; sizes that begin with a digit are written with an x before it."""
    return dict.fromkeys(single, 1) | {size.removeprefix("x"): count for size, count in several.items()}


_AWS: Mapping[str, tuple[str, Mapping[str, int]]] = {
    "g4ad": (_V520, _sizes(("xlarge", "2xlarge", "4xlarge"), x8xlarge=2, x16xlarge=4)),
    "g4dn": (_T4, _sizes(x12xlarge=4, metal=8)),
    "g5": (_A10G, _sizes(x12xlarge=4, x24xlarge=4, x48xlarge=8)),
    "g5g": ("NVIDIA-T4G", _sizes(("xlarge", "2xlarge", "4xlarge", "8xlarge"), x16xlarge=2, metal=2)),
    "g6": (_L4, _sizes(x12xlarge=4, x24xlarge=4, x48xlarge=8)),
    "gr6": (_L4, _sizes(("4xlarge", "8xlarge"))),
    "g6e": (_L40S, _sizes(x12xlarge=4, x24xlarge=4, x48xlarge=8)),
    "g7": (_RTX_4500, _sizes(("2xlarge", "4xlarge", "8xlarge"), x12xlarge=2, x24xlarge=4, x48xlarge=8)),
    "g7e": (_RTX_6000, _sizes(("2xlarge", "4xlarge", "8xlarge"), x12xlarge=2, x24xlarge=4, x48xlarge=8)),
    "p3": (_V100_16, _sizes(("2xlarge",), x8xlarge=4, x16xlarge=8)),
    "p3dn": (_V100_32, _sizes((), x24xlarge=8)),
    "p4d": (_A100_40, _sizes((), x24xlarge=8)),
    "p4de": (_A100_80, _sizes((), x24xlarge=8)),
    "p5": (_H100, _sizes(("4xlarge",), x48xlarge=8)),
    "p5e": (_H200, _sizes((), x48xlarge=8)),
    "p5en": (_H200, _sizes((), x48xlarge=8)),
    "p6-b200": (_B200, _sizes((), x48xlarge=8)),
    "p6-b300": (_B300, _sizes((), x48xlarge=8)),
}
"""By family, then size."""

_GOOGLE_COUNTED: Mapping[str, str] = {
    "a2-highgpu": _A100_40,
    "a2-megagpu": _A100_40,
    "a2-ultragpu": _A100_80,
    "a3-edgegpu": _H100,
    "a3-highgpu": _H100,
    "a3-megagpu": _H100,
    "a3-ultragpu": _H200,
    "a4-highgpu": _B200,
    "a4x-highgpu": _GB200,
}
"""Types that end in their number of GPUs: ``a2-highgpu-4g``."""

_LISTED: Mapping[str, Machine] = {
    **{f"g2-standard-{cores}": Machine(_L4, count) for cores, count in
       {4: 1, 8: 1, 12: 1, 16: 1, 24: 2, 32: 1, 48: 4, 96: 8}.items()},
    **{f"g4-standard-{cores}": Machine(_RTX_6000, count) for cores, count in {48: 1, 96: 2, 192: 4, 384: 8}.items()},
    **{f"standard_nc{cores}as_t4_v3": Machine(_T4, count) for cores, count in {4: 1, 8: 1, 16: 1, 64: 4}.items()},
    **{f"standard_nc{cores}s_v3": Machine("Tesla-V100-PCIE-16GB", count) for cores, count in
       {6: 1, 12: 2, 24: 4}.items()},
    "standard_nc24rs_v3": Machine("Tesla-V100-PCIE-16GB", 4),
    "standard_nd40rs_v2": Machine(_V100_32, 8),
    **{f"standard_nc{cores}ads_a100_v4": Machine(_A100_PCIE, count) for cores, count in {24: 1, 48: 2, 96: 4}.items()},
    "standard_nd96asr_v4": Machine(_A100_40, 8),
    "standard_nd96amsr_a100_v4": Machine(_A100_80, 8),
    "standard_nc40ads_h100_v5": Machine(_H100_NVL, 1),
    "standard_nc80adis_h100_v5": Machine(_H100_NVL, 2),
    "standard_nd96isr_h100_v5": Machine(_H100, 8),
    "standard_nd96isr_h200_v5": Machine(_H200, 8),
    "standard_nd96isr_mi300x_v5": Machine(_MI300X, 8),
    "standard_nv36ads_a10_v5": Machine("NVIDIA-A10", 1),
    "standard_nv36adms_a10_v5": Machine("NVIDIA-A10", 1),
    "standard_nv72ads_a10_v5": Machine("NVIDIA-A10", 2),
}  # fmt: skip
_GOOGLE = re.compile(r"(?P<family>a\d\w*-\w+)-(?P<count>\d{1,2})g")


def machine_of(instance_type: str) -> Machine | None:
    """Return what a machine type holds, None where it is not known."""
    name = instance_type.lower()
    if name in _LISTED:
        return _LISTED[name]
    google = _GOOGLE.fullmatch(name)
    if google is not None and google["family"] in _GOOGLE_COUNTED:
        return Machine(_GOOGLE_COUNTED[google["family"]], int(google["count"]))
    family, _, size = name.partition(".")
    product, sizes = _AWS.get(family, ("", {}))
    return Machine(product, sizes[size]) if size in sizes else None
