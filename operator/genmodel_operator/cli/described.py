"""Nodes that a user describes in words: GPUs by any name that the catalogue knows, or by their memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any

from genmodel_operator.cli.input import CommandError
from genmodel_operator.sizing.accelerators import (
    AMD,
    AMD_RESOURCE,
    KNOWN_PRODUCTS,
    NVIDIA_RESOURCE,
    Catalogue,
    Product,
    product_key,
)

Node = dict[str, Any]

HOST_CORES_PER_GPU = 16
HOST_GIB_PER_GPU = 128
"""Cores and memory beside each GPU of a node that is described in words; roomy, as in machines for sale."""
CPU_CORES = 32
"""Cores of a CPU node of which only the memory is said."""
ASSUMED_CAPABILITY = "8.0"
"""Compute capability of a GPU of which only the memory is said: what it runs, all later ones run too."""

_ASSUMED = (
    f"the GPU's compute capability is taken as {ASSUMED_CAPABILITY}, which all later ones include; "
    "--compute-capability says another"
)
_MEBIBYTES = {"mib": Decimal(1), "mi": Decimal(1), "gib": Decimal(1024), "gi": Decimal(1024)}
_MEBIBYTES |= dict.fromkeys(("gb", "g"), Decimal(10**9) / 2**20)
_FORM = "PRODUCT, PRODUCT:COUNT or PRODUCT:GIB:COUNT[:COMPUTE], such as NVIDIA-L4:22.5:1"


@dataclass(frozen=True, slots=True)
class Hardware:
    """What the options say of the nodes; the names are those of the options.

    Attributes:
        gpu: each a node: ``NAME``, ``NAME:COUNT`` or ``NAME:GIB:COUNT[:COMPUTE]``.
        count: GPUs of each node whose words do not say it.
        gpu_memory: of one GPU, with its unit; beside a name it tells its sizes apart.
        compute_capability: of a GPU that the catalogue does not know.
        cpu: each a node without GPUs: ``GIB:CORES``.
        cpu_memory: of a node without GPUs, with its unit.

    """

    gpu: Sequence[str] = ()
    count: int | None = None
    gpu_memory: str | None = None
    compute_capability: str | None = None
    cpu: Sequence[str] = ()
    cpu_memory: str | None = None


@dataclass(frozen=True, slots=True)
class Described:
    """Nodes in the form of the Kubernetes API, and what was assumed of them."""

    nodes: tuple[Node, ...]
    warnings: tuple[str, ...] = ()


def describe_nodes(said: Hardware, catalogue: Catalogue, products: Iterable[Product] = KNOWN_PRODUCTS) -> Described:
    """Return the nodes; raise ``CommandError`` that names the option, its value and the way out.

    ``products`` are those of the catalogue, for near names.
    """
    _check_together(said)
    writer = _Writer(said, catalogue, tuple(products))
    nodes = [writer.gpu(words, name=f"gpu-{number}") for number, words in enumerate(said.gpu)]
    warnings: tuple[str, ...] = ()
    if said.gpu_memory and not said.gpu:
        nodes.append(writer.unnamed())
        if said.compute_capability is None:
            warnings = (_ASSUMED,)
    nodes += [cpu_node(words, name=f"cpu-{number}") for number, words in enumerate(said.cpu)]
    if said.cpu_memory:
        nodes.append(_cpu(_mebibytes("--cpu-memory", said.cpu_memory), CPU_CORES, name="cpu"))
    return Described(tuple(nodes), warnings)


def _check_together(said: Hardware) -> None:
    if said.count is not None and not (said.gpu or said.gpu_memory):
        raise CommandError(f"--count {said.count}: counts the GPUs of --gpu or --gpu-memory, and neither is given")
    if said.compute_capability and not said.gpu_memory:
        raise CommandError(
            f"--compute-capability {said.compute_capability}: describes a GPU with --gpu-memory, which is not given"
        )


class _Writer:
    """Writes nodes with GPUs."""

    def __init__(self, said: Hardware, catalogue: Catalogue, products: tuple[Product, ...]) -> None:
        self._said, self._catalogue, self._products = said, catalogue, products
        self._count = said.count or 1

    def gpu(self, words: str, *, name: str) -> Node:
        parts = words.split(":")
        if len(parts) > 4 or not parts[0]:
            raise _wrong("--gpu", words, _FORM)
        if len(parts) > 2:
            return self._full(words, parts, name)
        count = _whole("--gpu", words, parts[1]) if len(parts) == 2 else self._count
        product = self._product(parts[0])
        if product is not None:
            return _product_node(product, count, name=name)
        return self._unknown(parts[0], count, name=name)

    def unnamed(self) -> Node:
        """Return the node of ``--gpu-memory`` without a name."""
        memory = self._said.gpu_memory or ""
        capability = self._said.compute_capability or ASSUMED_CAPABILITY
        label = f"GPU-{memory.replace(' ', '')}"
        return _nvidia_node(label, _mebibytes("--gpu-memory", memory), self._count, capability, name="gpu")

    def _full(self, words: str, parts: Sequence[str], name: str) -> Node:
        mebibytes = int(_number("--gpu", words, parts[1]) * 1024)
        count = _whole("--gpu", words, parts[2])
        capability = parts[3] if len(parts) == 4 else self._capability(words, parts[0], mebibytes)
        return _nvidia_node(parts[0], mebibytes, count, capability, name=name, option=f"--gpu {words}")

    def _capability(self, words: str, product: str, mebibytes: int) -> str:
        found = self._catalogue.find(product, mebibytes)
        known = {one.compute_capability for one in ((found,) if found else self._catalogue.named(product))}
        capability = known.pop() if len(known) == 1 else None
        if capability is None:
            want = f"{words}:COMPUTE, such as {words}:9.0: the compute capability is not known by name"
            raise _wrong("--gpu", words, want)
        return f"{capability[0]}.{capability[1]}"

    def _product(self, named: str) -> Product | None:
        """Return the product of this name, None for an unknown one whose memory is said."""
        memory = self._said.gpu_memory
        named = self._spelt(named)
        listed = self._catalogue.named(named)
        if not listed:
            if memory and self._said.compute_capability:
                return None
            raise CommandError(f"--gpu {named}: {self._why_unknown(named)}")
        found = self._catalogue.find(named, int(_mebibytes("--gpu-memory", memory)) if memory else None)
        if found is None and memory:
            raise CommandError(f"--gpu-memory {memory}: {named} is {_sizes(listed)}; leave one of both out")
        if found is None:
            raise CommandError(f"--gpu {named}: can be {_sizes(listed)}; name one, or add --gpu-memory")
        return found

    def _spelt(self, named: str) -> str:
        """Return a name with the dashes that the catalogue writes: ``rtx4090`` is ``rtx-4090``."""
        compact = product_key(named).replace("-", "")
        keys = (product_key(name) for product in self._products for name in _names(product))
        known = None if self._catalogue.named(named) else next((k for k in keys if k.replace("-", "") == compact), None)
        return known or named

    def _why_unknown(self, named: str) -> str:
        ways = "say what it is with --gpu-memory 24GiB --compute-capability 8.9"
        near = self._near(named)
        return f"no known product; {f'did you mean {near}? Else ' if near else ''}{ways}"

    def _near(self, named: str) -> str:
        """Return the products with names like this one: with the same words, else with words of like letters."""
        keys = {product_key(name): product.name for product in self._products for name in _names(product)}
        wanted = product_key(named)
        words = set(wanted.split("-"))
        near = [key for key in keys if wanted and words <= set(key.split("-"))]
        near = near or get_close_matches(wanted, list(keys), n=6, cutoff=0.6)
        found = list(dict.fromkeys(keys[key] for key in near))[:4]
        return f"{', '.join(found[:-1])} or {found[-1]}" if len(found) > 1 else "".join(found)

    def _unknown(self, product: str, count: int, *, name: str) -> Node:
        capability = self._said.compute_capability or ""
        mebibytes = _mebibytes("--gpu-memory", self._said.gpu_memory or "")
        return _nvidia_node(product, mebibytes, count, capability, name=name)


def _names(product: Product) -> tuple[str, ...]:
    return (product.name, *product.aliases)


def _sizes(products: Iterable[Product]) -> str:
    return " or ".join(f"{product.name} ({product.label_mebibytes / 1024:.3g} GiB)" for product in products)


def _product_node(product: Product, count: int, *, name: str) -> Node:
    if product.vendor == AMD:
        labels = {
            "amd.com/gpu.product-name": product.name,
            "amd.com/gpu.vram": f"{product.label_mebibytes // 1024}G",
        }
        return _gpu_node(name, labels, AMD_RESOURCE, count)
    major, minor = product.compute_capability or (0, 0)
    return _nvidia_node(product.name, product.label_mebibytes, count, f"{major}.{minor}", name=name)


def _nvidia_node(  # one argument per label
    product: str,
    mebibytes: int | Decimal,
    count: int,
    capability: str,
    *,
    name: str,
    option: str = "--compute-capability",
) -> Node:
    labels = {
        "nvidia.com/gpu.product": product,
        "nvidia.com/gpu.memory": str(int(mebibytes)),
        "nvidia.com/gpu.count": str(count),
        **_compute(option, capability),
    }
    return _gpu_node(name, labels, NVIDIA_RESOURCE, count)


def _compute(option: str, text: str) -> dict[str, str]:
    major, dot, minor = text.partition(".")
    if not (major.isdecimal() and (minor.isdecimal() or not dot)):
        if option.startswith("--gpu"):
            raise CommandError(f"{option}: must be a compute capability such as 8.9 in its last part")
        raise CommandError(f"{option} {text}: must be a compute capability such as 8.9")
    return {"nvidia.com/gpu.compute.major": major, "nvidia.com/gpu.compute.minor": minor or "0"}


def cpu_node(words: str, *, name: str) -> Node:
    """Return the node that ``GIB:CORES`` describes; raise ``CommandError``."""
    parts = words.split(":")
    if len(parts) != 2:
        raise _wrong("--cpu", words, "GIB:CORES, such as 64:16")
    gibibytes, cores = _number("--cpu", words, parts[0]), _whole("--cpu", words, parts[1])
    return _cpu(gibibytes * 1024, cores, name=name)


def _cpu(mebibytes: Decimal, cores: int, *, name: str) -> Node:
    return _node(name, {}, {"cpu": str(cores), "memory": f"{int(mebibytes)}Mi"})


def _gpu_node(name: str, labels: Mapping[str, str], resource: str, count: int) -> Node:
    resources = {
        resource: str(count),
        "cpu": str(HOST_CORES_PER_GPU * count),
        "memory": f"{HOST_GIB_PER_GPU * count}Gi",
    }
    return _node(name, labels, resources)


def _node(name: str, labels: Mapping[str, str], resources: Mapping[str, str]) -> Node:
    described = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": name, **labels}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": described},
        "status": {
            "allocatable": {"ephemeral-storage": "2Ti", "pods": "110", **resources},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def _mebibytes(option: str, text: str) -> Decimal:
    """Return a memory with its unit in MiB: GiB are 2^30 bytes, GB 10^9."""
    compact = text.replace(" ", "")
    number = compact.rstrip("BGIMbgim")
    unit = _MEBIBYTES.get(compact[len(number) :].lower())
    try:
        value = Decimal(number) * unit if unit else None
    except InvalidOperation:
        value = None
    if value is None or not (value.is_finite() and 1024 <= value < 1024**3):
        raise _wrong(option, text, "a memory from 1 GiB on with its unit, such as 24GiB")
    return value


def _number(option: str, words: str, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise _wrong(option, words, f"a number of GiB, not {text!r}") from None
    if not (value.is_finite() and 0 < value < 1_000_000):
        raise _wrong(option, words, f"a number of GiB above 0, not {text!r}")
    return value


def _whole(option: str, words: str, text: str) -> int:
    if not (text.isdecimal() and 0 < int(text) <= 4096):
        raise _wrong(option, words, f"a whole number from 1 to 4096, not {text!r}")
    return int(text)


def _wrong(option: str, words: str, want: str) -> CommandError:
    return CommandError(f"{option} {words}: must be {want}")
