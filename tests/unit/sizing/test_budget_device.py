"""What a product's name says."""

import pytest

from genmodel_operator.sizing.budget.device import Interconnect, read_device


@pytest.mark.parametrize(
    ("product", "capability", "link"),
    [
        pytest.param("NVIDIA-H100-80GB-HBM3", (9, 0), "nvlink", id="the label of an H100 SXM"),
        pytest.param("NVIDIA-H100-PCIe", (9, 0), "pcie", id="the label of an H100 PCIe"),
        pytest.param("H100 80GB", (9, 0), "nvlink", id="free text"),
        pytest.param("NVIDIA-H200", (9, 0), "nvlink", id="H200"),
        pytest.param("H20-3e 141GB", (9, 0), "nvlink", id="H20"),
        pytest.param("NVIDIA-GH200-480GB", (9, 0), "nvlink", id="GH200"),
        pytest.param("NVIDIA-A100-SXM4-80GB", (8, 0), "nvlink", id="A100 SXM"),
        pytest.param("NVIDIA-A100-80GB-PCIe", (8, 0), "pcie", id="A100 PCIe"),
        pytest.param("A100-80GB", (8, 0), "pcie", id="an A100 that does not say"),
        pytest.param("NVIDIA-L4", (8, 9), "pcie", id="L4"),
        pytest.param("L40S 48GB", (8, 9), "pcie", id="L40S"),
        pytest.param("NVIDIA-GeForce-RTX-4090", (8, 9), "pcie", id="RTX 4090"),
        pytest.param("NVIDIA RTX 6000 Ada Generation", (8, 9), "pcie", id="Ada"),
        pytest.param("NVIDIA-A10G", (8, 6), "pcie", id="A10G"),
        pytest.param("NVIDIA-GeForce-RTX-3090", (8, 6), "pcie", id="RTX 3090"),
        pytest.param("NVIDIA-RTX-A6000", (8, 6), "pcie", id="A6000"),
        pytest.param("Tesla-T4", (7, 5), "pcie", id="T4"),
        pytest.param("Tesla-V100-SXM2-16GB", (7, 0), "nvlink", id="V100"),
        pytest.param("NVIDIA-B200", (10, 0), "nvlink", id="B200"),
        pytest.param("NVIDIA-GB300", (10, 3), "nvlink", id="GB300"),
        pytest.param("NVIDIA-GB10", (12, 1), "pcie", id="GB10 is no GB100"),
        pytest.param("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", (12, 0), "pcie", id="RTX PRO"),
        pytest.param("RTX 5090 32GB", (12, 0), "pcie", id="RTX 5090"),
        pytest.param("AMD_Instinct_MI300X", None, "nvlink", id="AMD's own links count as such"),
        pytest.param("", None, "pcie", id="nothing"),
        pytest.param("frobnicator 9000", None, "pcie", id="an unknown product is no error"),
    ],
)
def test_products(product: str, capability: tuple[int, int] | None, link: str) -> None:
    device = read_device(product, 1)
    assert (device.compute_capability, str(device.interconnect)) == (capability, link)


def test_a_given_interconnect_wins() -> None:
    assert read_device("NVIDIA-H100-PCIe", 1, Interconnect.NVLINK).interconnect is Interconnect.NVLINK


@pytest.mark.parametrize(
    ("product", "want"),
    [("NVIDIA-H100-80GB-HBM3", True), ("NVIDIA-A100-SXM4-80GB", False), ("NVIDIA-L4", False), ("NVIDIA-B200", True)],
)
def test_who_reduces_over_nvlink(product: str, want: bool) -> None:
    assert read_device(product, 1).reduces_over_nvlink is want
