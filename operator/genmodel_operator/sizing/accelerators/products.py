"""The products that the catalogue knows out of the box.

Sources. ``logged``: the smallest total of ``torch.cuda.mem_get_info`` that start-ups of real servers
logged on such devices. ``rule``: the label less 1 %, at least 0.6 GiB, which is at or below every
logged total. Labels are what ``nvidia-smi`` and GPU feature discovery show (MiB of one device), for
AMD the memory of the data sheet, which AMD's labeller rounds to whole GiB. Compute capabilities are
those of developer.nvidia.com/cuda-gpus; PCI ids and names of AMD those of the labeller
(github.com/ROCm/k8s-device-plugin, amdgpu.ids); further names those of GKE, Karpenter and AKS.
"""

from genmodel_operator.sizing.accelerators.catalogue import Catalogue, Product, device_total_gib
from genmodel_operator.sizing.accelerators.groups import AMD, NVIDIA

_SHARED_WITH_HOST = "its memory is the host's too, so that nobody can tell what is free for a model"


def _nvidia(  # one argument per column of the table below
    name: str,
    label_mebibytes: int,
    capability: str,
    *aliases: str,
    logged_gib: float | None = None,
    link: str = "pcie",
    refusal: str = "",
) -> Product:
    major, _, minor = capability.partition(".")
    return Product(
        name=name,
        vendor=NVIDIA,
        label_mebibytes=label_mebibytes,
        memory_gib=logged_gib or device_total_gib(label_mebibytes),
        compute_capability=(int(major), int(minor)),
        interconnect=link,
        aliases=aliases,
        source="logged" if logged_gib else "rule",
        refusal=refusal,
    )


def _amd(  # one argument per column of the table below
    name: str,
    gibibytes: int,
    architecture: str,
    *device_ids: str,
    aliases: tuple[str, ...] = (),
    logged_gib: float | None = None,
    link: str = "xgmi",
    refusal: str = "",
) -> Product:
    return Product(
        name=name,
        vendor=AMD,
        label_mebibytes=gibibytes * 1024,
        memory_gib=logged_gib or device_total_gib(gibibytes * 1024),
        architecture=architecture,
        interconnect=link,
        aliases=aliases,
        device_ids=device_ids,
        source="logged" if logged_gib else "rule",
        refusal=refusal,
    )


NVIDIA_PRODUCTS = (
    _nvidia("Tesla-P4", 7680, "6.1", "nvidia-tesla-p4"),
    _nvidia("Tesla-P100-PCIE-16GB", 16384, "6.0", "nvidia-tesla-p100", "p100"),
    _nvidia("Tesla-V100-PCIE-16GB", 16384, "7.0", logged_gib=15.77),
    _nvidia("Tesla-V100-SXM2-16GB", 16384, "7.0", "nvidia-tesla-v100", "v100", logged_gib=15.77, link="nvlink"),
    _nvidia("Tesla-V100-PCIE-32GB", 32768, "7.0"),
    _nvidia("Tesla-V100-SXM2-32GB", 32768, "7.0", "v100", link="nvlink"),
    _nvidia("Tesla-V100-SXM3-32GB", 32768, "7.0", link="nvlink"),
    _nvidia("Tesla-T4", 15360, "7.5", "nvidia-tesla-t4", "t4", logged_gib=14.56),
    _nvidia("NVIDIA-T4G", 15360, "7.5", "t4g"),
    _nvidia("Quadro-RTX-6000", 24576, "7.5"),
    _nvidia("Quadro-RTX-8000", 49152, "7.5"),
    _nvidia("NVIDIA-A2", 15356, "8.6"),
    _nvidia("NVIDIA-A10", 23028, "8.6", logged_gib=22.07),
    _nvidia("NVIDIA-A10G", 23028, "8.6", "a10g"),
    _nvidia("NVIDIA-A16", 15356, "8.6"),
    _nvidia("NVIDIA-A30", 24576, "8.0"),
    _nvidia("NVIDIA-A40", 46068, "8.6"),
    _nvidia("NVIDIA-RTX-A4000", 16376, "8.6", "a4000"),
    _nvidia("NVIDIA-RTX-A5000", 24564, "8.6", "a5000"),
    _nvidia("NVIDIA-RTX-A6000", 49140, "8.6", "a6000", logged_gib=47.4),
    _nvidia("NVIDIA-A100-PCIE-40GB", 40960, "8.0", logged_gib=39.4),
    _nvidia("NVIDIA-A100-SXM4-40GB", 40960, "8.0", "a100", "a100-40gb", logged_gib=39.4, link="nvlink"),
    _nvidia("NVIDIA-A100-80GB-PCIe", 81920, "8.0", "a100-pcie-80gb", logged_gib=79.25),
    _nvidia("NVIDIA-A100-SXM4-80GB", 81920, "8.0", "a100", "a100-80gb", logged_gib=79.25, link="nvlink"),
    _nvidia("NVIDIA-A800-SXM4-80GB", 81920, "8.0", link="nvlink"),
    _nvidia("NVIDIA-A800-80GB-PCIe", 81920, "8.0"),
    _nvidia("NVIDIA-GeForce-RTX-3080", 10240, "8.6"),
    _nvidia("NVIDIA-GeForce-RTX-3080", 12288, "8.6"),
    _nvidia("NVIDIA-GeForce-RTX-3090", 24576, "8.6", logged_gib=23.56),
    _nvidia("NVIDIA-GeForce-RTX-3090-Ti", 24564, "8.6"),
    _nvidia("NVIDIA-L4", 23034, "8.9", "nvidia-l4", "l4"),
    _nvidia("NVIDIA-L20", 46068, "8.9"),
    _nvidia("NVIDIA-L40", 46068, "8.9"),
    _nvidia("NVIDIA-L40S", 46068, "8.9", "l40s", logged_gib=44.4),
    _nvidia("NVIDIA-GeForce-RTX-4080", 16376, "8.9"),
    _nvidia("NVIDIA-GeForce-RTX-4090", 24564, "8.9", logged_gib=23.5),
    _nvidia("NVIDIA-RTX-4000-Ada-Generation", 20475, "8.9"),
    _nvidia("NVIDIA-RTX-5000-Ada-Generation", 32760, "8.9"),
    _nvidia("NVIDIA-RTX-6000-Ada-Generation", 49140, "8.9", "rtx-6000-ada"),
    _nvidia("NVIDIA-H100-PCIe", 81559, "9.0"),
    _nvidia("NVIDIA-H100-80GB-HBM3", 81559, "9.0", "h100", "h100-80gb", "h100-mega-80gb", "h100-sxm5-80gb",
            logged_gib=79.19, link="nvlink"),
    _nvidia("NVIDIA-H100-NVL", 95830, "9.0", "h100-nvl-94gb", link="nvlink"),
    _nvidia("NVIDIA-H800", 81559, "9.0", "h800-sxm5-80gb", link="nvlink"),
    _nvidia("NVIDIA-H20", 97871, "9.0", link="nvlink"),
    _nvidia("NVIDIA-H20-3e", 143771, "9.0", logged_gib=139.7, link="nvlink"),
    _nvidia("NVIDIA-H200", 143771, "9.0", "h200-141gb", "h200-sxm5-141gb", logged_gib=139.7, link="nvlink"),
    _nvidia("NVIDIA-H200-NVL", 143771, "9.0", link="nvlink"),
    _nvidia("NVIDIA-GH200-480GB", 97871, "9.0", "gh200", link="nvlink"),
    _nvidia("NVIDIA-GH200-144G-HBM3e", 147456, "9.0", link="nvlink"),
    _nvidia("NVIDIA-B200", 183359, "10.0", link="nvlink"),
    _nvidia("NVIDIA-GB200", 189471, "10.0", logged_gib=184.3, link="nvlink"),
    _nvidia("NVIDIA-B300-SXM6-AC", 275040, "10.3", "b300", link="nvlink"),
    _nvidia("NVIDIA-GB300", 284208, "10.3", logged_gib=276.6, link="nvlink"),
    _nvidia("NVIDIA-GeForce-RTX-5090", 32607, "12.0"),
    _nvidia("NVIDIA-RTX-PRO-4500-Blackwell", 32623, "12.0", "rtx-pro-4500", logged_gib=31.38),
    _nvidia("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", 97887, "12.0", "rtx-pro-6000", "rtx-pro-server-6000",
            logged_gib=94.97),
    _nvidia("NVIDIA-RTX-PRO-6000-Blackwell-Workstation-Edition", 97887, "12.0", logged_gib=94.97),
    _nvidia("NVIDIA-GB10", 124610, "12.1", refusal=_SHARED_WITH_HOST),
    _nvidia("Orin", 62841, "8.7", "orin-nvgpu", refusal=_SHARED_WITH_HOST),
    _nvidia("Thor", 125772, "11.0", "thor-nvgpu", refusal=_SHARED_WITH_HOST),
)  # fmt: skip

AMD_PRODUCTS = (
    _amd("AMD_Radeon_Pro_V520", 8, "gfx1011", aliases=("radeon-pro-v520",), link="pcie"),
    _amd("AMD_Radeon_Instinct_MI25", 16, "gfx900", "6860", link="pcie"),
    _amd("AMD_Instinct_MI50", 32, "gfx906", "66a1", link="pcie"),
    _amd("AMD_Instinct_MI100", 32, "gfx908", "738c"),
    _amd("AMD_Instinct_MI210", 64, "gfx90a", "740f"),
    _amd("AMD_Instinct_MI250", 64, "gfx90a", "740c", aliases=("AMD_Instinct_MI250X_MI250",)),
    _amd("AMD_Instinct_MI250X", 64, "gfx90a", "7408"),
    _amd("AMD_Instinct_MI300A", 128, "gfx942", "74a0", refusal=_SHARED_WITH_HOST),
    _amd("AMD_Instinct_MI300X_OAM", 192, "gfx942", "74a1", "74b5", "74a9", "74bd",
         aliases=("AMD_Instinct_MI300X", "AMD_Instinct_MI300X_HF", "AMD_Instinct_MI300X_VF"), logged_gib=191.7),
    _amd("AMD_Instinct_MI308X", 192, "gfx942", "74a2", "74a8", "74b6", "74bc", aliases=("AMD_Instinct_MI308X_OAM",)),
    _amd("AMD_Instinct_MI325X", 256, "gfx942", "74a5", "74b9", aliases=("AMD_Instinct_MI325X_OAM",)),
    _amd("AMD_Instinct_MI350X", 288, "gfx950", "75a0", "75b0", aliases=("AMD_Instinct_MI350X_OAM",)),
    _amd("AMD_Instinct_MI355X", 288, "gfx950", "75a3", "75b3", aliases=("AMD_Instinct_MI355X_OAM",)),
    _amd("AMD_Radeon_Pro_W6800", 32, "gfx1030", "73a3", link="pcie"),
    _amd("AMD_Radeon_RX_7900_XTX", 24, "gfx1100", link="pcie"),
    _amd("AMD_Radeon_Pro_W7800", 32, "gfx1100", "745e", link="pcie"),
    _amd("AMD_Radeon_Pro_W7900", 48, "gfx1100", "7448", "744a", "744b", link="pcie"),
)  # fmt: skip

KNOWN_PRODUCTS = (*NVIDIA_PRODUCTS, *AMD_PRODUCTS)
DEFAULT_CATALOGUE = Catalogue(KNOWN_PRODUCTS)
