import pytest

from genmodel_operator.cli.described import ASSUMED_CAPABILITY, Described, Hardware, cpu_node, describe_nodes
from genmodel_operator.cli.input import CommandError
from genmodel_operator.sizing.accelerators import DEFAULT_CATALOGUE, KNOWN_PRODUCTS, NodeGroup, read_inventory


def described(*gpu: str, **said: object) -> Described:
    return describe_nodes(Hardware(gpu=gpu, **said), DEFAULT_CATALOGUE)  # type: ignore[arg-type]


def the_gpus(*gpu: str, **said: object) -> NodeGroup:
    (found,) = (group for group in read_inventory(described(*gpu, **said).nodes).groups if group.is_gpu)
    return found


def refused(*gpu: str, **said: object) -> str:
    with pytest.raises(CommandError) as error:
        described(*gpu, **said)
    assert error.value.exit_code == 2
    return str(error.value)


def test_a_node_in_words_is_a_node_of_the_inventory() -> None:
    inventory = read_inventory(described("NVIDIA-L4:22.5:2", cpu=["64:16"]).nodes)
    gpu = next(group for group in inventory.groups if group.is_gpu)
    assert (gpu.product, gpu.devices_per_node, gpu.compute_capability) == ("NVIDIA-L4", 2, (8, 9))
    assert gpu.device_memory_gib == pytest.approx(22.5, rel=0.04)
    cpu = next(group for group in inventory.groups if not group.is_gpu and group.allocatable_cpu == 16)
    assert cpu.allocatable_memory_gib == 64
    assert inventory.notes == ()


UNSURE = [product.name for product in KNOWN_PRODUCTS if len(DEFAULT_CATALOGUE.named(product.name)) > 1]


@pytest.mark.parametrize("name", sorted({product.name for product in KNOWN_PRODUCTS} - set(UNSURE)))
def test_every_product_of_the_catalogue_is_described_as_its_nodes_are_labelled(name: str) -> None:
    product, gpus = DEFAULT_CATALOGUE.find(name), the_gpus(name, count=2)
    assert product is not None
    assert (gpus.product, gpus.devices_per_node, gpus.refusal) == (product.name, 2, product.refusal)
    assert gpus.compute_capability == product.compute_capability
    assert gpus.device_architecture == product.architecture
    assert gpus.device_memory_gib == pytest.approx(product.memory_gib, abs=0.01)


@pytest.mark.parametrize(
    ("words", "want_product", "want_count"),
    [
        pytest.param("l4", "NVIDIA-L4", 1, id="the short name"),
        pytest.param("nvidia-l4", "NVIDIA-L4", 1, id="in small letters"),
        pytest.param("NVIDIA L4:4", "NVIDIA-L4", 4, id="with a space and a count"),
        pytest.param("a100-80gb", "NVIDIA-A100-SXM4-80GB", 1, id="a cloud's name"),
        pytest.param("rtx4090", "NVIDIA-GeForce-RTX-4090", 1, id="without dashes"),
        pytest.param("Tesla T4", "Tesla-T4", 1, id="an old maker's name"),
        pytest.param("mi300x", "AMD_Instinct_MI300X_OAM", 1, id="AMD's"),
    ],
)
def test_any_spelling_will_do(words: str, want_product: str, want_count: int) -> None:
    gpus = the_gpus(words)
    assert (gpus.product, gpus.devices_per_node) == (want_product, want_count)


def test_several_kinds_are_a_node_each_and_only_some_say_their_count() -> None:
    groups = [group for group in read_inventory(described("l4", "h100:8", count=2).nodes).groups if group.is_gpu]
    counts = {group.product: group.devices_per_node for group in groups}
    assert counts == {"NVIDIA-L4": 2, "NVIDIA-H100-80GB-HBM3": 8}


@pytest.mark.parametrize(
    ("words", "want"),
    [
        pytest.param("NVIDIA-A100-SXM4-80GB:80:8", (8, 0), id="known by its name"),
        pytest.param("NVIDIA-A10G:22:1", (8, 6), id="a name that begins like another"),
        pytest.param("NVIDIA-H100-80GB-HBM3:79.6:8", (9, 0), id="a name of several parts"),
        pytest.param("a100:40:1", (8, 0), id="a name of several sizes"),
        pytest.param("Next-GPU:192:8:12.1", (12, 1), id="said"),
        pytest.param("Next-GPU:192:8:12", (12, 0), id="said without a minor version"),
        pytest.param("NVIDIA-L4:22.5:1:9.0", (9, 0), id="what is said wins"),
    ],
)
def test_compute_capability(words: str, want: tuple[int, int]) -> None:
    assert the_gpus(words).compute_capability == want


@pytest.mark.parametrize(
    ("memory", "want_gib"),
    [
        pytest.param("24GiB", 23.4, id="GiB"),
        pytest.param("24gi", 23.4, id="as Kubernetes writes it"),
        pytest.param("24576 MiB", 23.4, id="MiB"),
        pytest.param("24GB", 21.75, id="GB are 10^9 bytes, which is what a card of 24 GB has"),
        pytest.param("80 GB", 73.76, id="with a space"),
    ],
)
def test_memory_alone_is_that_on_the_box(memory: str, want_gib: float) -> None:
    gpus = the_gpus(gpu_memory=memory, compute_capability="8.9", count=4)
    assert gpus.device_memory_gib == pytest.approx(want_gib, abs=0.01)
    assert (gpus.devices_per_node, gpus.compute_capability) == (4, (8, 9))


def test_a_compute_capability_that_is_not_said_is_assumed_with_a_warning() -> None:
    assert the_gpus(gpu_memory="24GiB").compute_capability == (8, 0)
    (warning,) = described(gpu_memory="24GiB").warnings
    assert f"taken as {ASSUMED_CAPABILITY}" in warning
    assert "--compute-capability" in warning
    assert described(gpu_memory="24GiB", compute_capability="9.0").warnings == ()


def test_memory_tells_the_sizes_of_a_product_apart() -> None:
    assert the_gpus("a100", gpu_memory="80GiB").product == "NVIDIA-A100-SXM4-80GB"
    assert the_gpus("v100", gpu_memory="16GiB").product == "Tesla-V100-SXM2-16GB"


def test_a_product_that_nobody_knows_is_described_in_full() -> None:
    gpus = the_gpus("Next-GPU", gpu_memory="192GiB", compute_capability="12.0", count=8)
    assert (gpus.product, gpus.devices_per_node, gpus.compute_capability) == ("Next-GPU", 8, (12, 0))


@pytest.mark.parametrize(
    ("words", "want"),
    [
        pytest.param("L4:24:1:8.9:x", "must be PRODUCT, PRODUCT:COUNT or PRODUCT:GIB:COUNT", id="too many parts"),
        pytest.param(":24:1", "must be PRODUCT", id="no product"),
        pytest.param("", "must be PRODUCT", id="nothing"),
        pytest.param("L4:24GB:1", "must be a number of GiB, not '24GB'", id="a unit"),
        pytest.param("L4:0:1", "must be a number of GiB above 0, not '0'", id="no memory"),
        pytest.param("L4:NaN:1", "must be a number of GiB", id="not a number"),
        pytest.param("L4:24:0", "must be a whole number from 1 to 4096, not '0'", id="no GPU"),
        pytest.param("l4:none", "must be a whole number from 1 to 4096, not 'none'", id="a count in words"),
        pytest.param("L4:24:1.5", "must be a whole number", id="half a GPU"),
        pytest.param("L4:24:1:new", "must be a compute capability such as 8.9", id="no capability"),
        pytest.param("Next:24:1", "must be Next:24:1:COMPUTE", id="an unknown product"),
    ],
)
def test_wrong_words_for_a_gpu_are_named(words: str, want: str) -> None:
    said = refused(words)
    assert said.startswith(f"--gpu {words}: ")
    assert want in said


@pytest.mark.parametrize(
    ("name", "want"),
    [
        pytest.param("l44", "did you mean NVIDIA-L4 ", id="a slip"),
        pytest.param("3090", "did you mean NVIDIA-GeForce-RTX-3090 or NVIDIA-GeForce-RTX-3090-Ti?", id="a part"),
        pytest.param("zebra", "no known product; say what it is with --gpu-memory 24GiB", id="like nothing"),
        pytest.param(
            "a100", "can be NVIDIA-A100-SXM4-40GB (40 GiB) or NVIDIA-A100-SXM4-80GB (80 GiB)", id="of several sizes"
        ),
    ],
)
def test_an_unsure_product_is_answered_with_near_names(name: str, want: str) -> None:
    said = refused(name)
    assert said.startswith(f"--gpu {name}: ")
    assert want in said
    assert "--gpu-memory" in said


@pytest.mark.parametrize(
    ("said", "want"),
    [
        pytest.param({"count": 2}, "--count 2: counts the GPUs of --gpu or --gpu-memory", id="a count of nothing"),
        pytest.param(
            {"compute_capability": "8.9"}, "--compute-capability 8.9: describes a GPU with --gpu-memory", id="no memory"
        ),
        pytest.param(
            {"gpu_memory": "24GiB", "compute_capability": "new"},
            "--compute-capability new: must be a compute capability such as 8.9",
            id="no capability",
        ),
        pytest.param({"gpu_memory": "24"}, "--gpu-memory 24: must be a memory from 1 GiB on with its unit", id="unit"),
        pytest.param({"gpu_memory": "GiB"}, "--gpu-memory GiB: must be a memory", id="no number"),
        pytest.param({"gpu_memory": "0GiB"}, "--gpu-memory 0GiB: must be a memory from 1 GiB on", id="nothing"),
        pytest.param({"gpu_memory": "NaNGiB"}, "--gpu-memory NaNGiB: must be a memory", id="not a number"),
        pytest.param({"cpu_memory": "64GiBs"}, "--cpu-memory 64GiBs: must be a memory", id="another unit"),
        pytest.param(
            {"gpu": ["a100"], "gpu_memory": "24GiB"},
            "--gpu-memory 24GiB: a100 is NVIDIA-A100-SXM4-40GB (40 GiB) or ",
            id="a memory that the product does not have",
        ),
    ],
)
def test_wrong_options_are_named(said: dict[str, object], want: str) -> None:
    with pytest.raises(CommandError) as error:
        describe_nodes(Hardware(**said), DEFAULT_CATALOGUE)  # type: ignore[arg-type]
    assert str(error.value).startswith(want)


@pytest.mark.parametrize("words", ["64", "64:", "a:1", "64:0", "64:1:1"])
def test_wrong_words_for_a_cpu_are_named(words: str) -> None:
    with pytest.raises(CommandError, match=f"--cpu {words}: must be"):
        cpu_node(words, name="n")
