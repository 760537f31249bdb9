"""The catalogue: every product by every name, and what a platform team changes in it."""

import pytest

from genmodel_operator.sizing.accelerators import (
    DEFAULT_CATALOGUE,
    KNOWN_PRODUCTS,
    Catalogue,
    Product,
    device_total_gib,
    own_product,
    product_key,
)
from genmodel_operator.sizing.accelerators.machines import machine_of


@pytest.mark.parametrize(
    "product", [pytest.param(one, id=f"{one.name} {one.label_mebibytes}") for one in KNOWN_PRODUCTS]
)
def test_every_product_is_found_by_each_of_its_names(product: Product) -> None:
    for name in (product.name, *product.aliases):
        assert DEFAULT_CATALOGUE.find(name, product.label_mebibytes) == product
    assert all(DEFAULT_CATALOGUE.of_device_id(device_id) == product for device_id in product.device_ids)


@pytest.mark.parametrize(
    "product", [pytest.param(one, id=f"{one.name} {one.label_mebibytes}") for one in KNOWN_PRODUCTS]
)
def test_what_the_engine_sees_is_below_the_label_and_near_the_rule(product: Product) -> None:
    assert product.memory_gib < product.label_mebibytes / 1024
    assert product.memory_gib == pytest.approx(device_total_gib(product.label_mebibytes), rel=0.03)
    assert product.source in {"logged", "rule"}
    assert (product.compute_capability is None) != (product.architecture == "")


@pytest.mark.parametrize(
    ("name", "mebibytes", "want"),
    [
        pytest.param("NVIDIA L4", None, "NVIDIA-L4", id="as people write it"),
        pytest.param("l4", None, "NVIDIA-L4", id="short"),
        pytest.param("nvidia-tesla-t4", None, "Tesla-T4", id="GKE"),
        pytest.param("a100", None, None, id="two sizes, none said"),
        pytest.param("a100", 40960, "NVIDIA-A100-SXM4-40GB", id="two sizes, 40 GB"),
        pytest.param("a100", 81920, "NVIDIA-A100-SXM4-80GB", id="two sizes, 80 GB"),
        pytest.param("a100", 20480, None, id="a size that there is not"),
        pytest.param("NVIDIA-GeForce-RTX-3080", 10240, "NVIDIA-GeForce-RTX-3080", id="near sizes of one name"),
        pytest.param("h100", 81920, "NVIDIA-H100-80GB-HBM3", id="Karpenter's memory"),
        pytest.param("b300", 275040, "NVIDIA-B300-SXM6-AC", id="new"),
        pytest.param("NVIDIA-Next", 1000, None, id="unknown"),
        pytest.param("", None, None, id="no name"),
    ],
)
def test_names(name: str, mebibytes: int | None, want: str | None) -> None:
    found = DEFAULT_CATALOGUE.find(name, mebibytes)
    assert (found and found.name) == want
    if found and mebibytes:
        assert found.is_plausible(mebibytes)


def test_names_of_one_product_have_one_key() -> None:
    assert {product_key(name) for name in ("NVIDIA-A100-SXM4-40GB", "nvidia a100 sxm4 40gb", "A100-SXM4-40GB")} == {
        "a100-sxm4-40gb"
    }


def test_a_label_of_the_product_s_own_memory_gives_what_was_logged_others_the_rule() -> None:
    t4 = DEFAULT_CATALOGUE.find("t4")
    assert t4 is not None
    assert t4.seen_gib(15360) == t4.seen_gib(15109) == 14.56
    assert t4.seen_gib(16384) == device_total_gib(16384)


def test_an_own_product_replaces_the_known_one_and_its_labels() -> None:
    own = own_product(name="NVIDIA-L4", memory_gib=20.5, compute_capability=(8, 9), aliases=("my-l4",))
    catalogue = Catalogue((*KNOWN_PRODUCTS, own))
    assert catalogue.find("NVIDIA-L4") == catalogue.find("my-l4") == own
    assert own.seen_gib(23034) == 20.5
    assert DEFAULT_CATALOGUE.find("NVIDIA-L4") != own


def test_an_own_size_of_a_known_product_is_added() -> None:
    own = own_product(name="NVIDIA-A100-SXM4-80GB", memory_gib=120, compute_capability=(8, 0))
    assert len(Catalogue((*KNOWN_PRODUCTS, own)).named("NVIDIA-A100-SXM4-80GB")) == 2


@pytest.mark.parametrize(
    ("instance_type", "want"),
    [
        pytest.param("g4dn.12xlarge", ("Tesla-T4", 4), id="AWS"),
        pytest.param("g4dn.metal", ("Tesla-T4", 8), id="AWS, bare metal"),
        pytest.param("p6-b200.48xlarge", ("NVIDIA-B200", 8), id="AWS, family with a hyphen"),
        pytest.param("g6f.xlarge", None, id="AWS, part of a GPU"),
        pytest.param("a2-highgpu-4g", ("NVIDIA-A100-SXM4-40GB", 4), id="Google, counted"),
        pytest.param("g2-standard-96", ("NVIDIA-L4", 8), id="Google, listed"),
        pytest.param("Standard_ND96isr_H100_v5", ("NVIDIA-H100-80GB-HBM3", 8), id="Azure"),
        pytest.param("Standard_NV6ads_A10_v5", None, id="Azure, part of a GPU"),
        pytest.param("m7i.large", None, id="no GPU"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_machine_types(instance_type: str, want: tuple[str, int] | None) -> None:
    found = machine_of(instance_type)
    assert (found and (found.product, found.count)) == want
    assert found is None or DEFAULT_CATALOGUE.find(found.product) is not None
