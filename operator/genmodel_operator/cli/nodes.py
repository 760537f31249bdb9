"""The nodes that a command plans with: described in words, read from a file, or the cluster's own."""

import os
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from genmodel_operator.cli.input import CommandError, read_documents
from genmodel_operator.kube.client import ConnectionConfigError, KubeClient
from genmodel_operator.kube.errors import KubeError
from genmodel_operator.kube.kinds import NODE
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.accelerators import Inventory, read_inventory

Node = dict[str, Any]

HOST_CORES_PER_GPU = 16
HOST_GIB_PER_GPU = 128
"""Cores and memory beside each GPU of a node that is described in words; roomy, as in machines for sale."""

COMPUTE_CAPABILITIES: tuple[tuple[str, str], ...] = (
    ("V100", "7.0"),
    ("T4", "7.5"),
    ("A100", "8.0"),
    ("A30", "8.0"),
    ("A10", "8.6"),
    ("A10G", "8.6"),
    ("A16", "8.6"),
    ("A40", "8.6"),
    ("A6000", "8.6"),
    ("L4", "8.9"),
    ("L40", "8.9"),
    ("L40S", "8.9"),
    ("H100", "9.0"),
    ("H200", "9.0"),
    ("GH200", "9.0"),
    ("B200", "10.0"),
    ("GB200", "10.0"),
    ("B300", "10.3"),
    ("GB300", "10.3"),
)
"""Compute capability by a word of the product's name (developer.nvidia.com/cuda-gpus)."""


def gpu_node(words: str, *, name: str) -> Node:
    """Return the node that ``PRODUCT:GIB:COUNT[:COMPUTE]`` describes; raise ``CommandError``."""
    parts = words.split(":")
    if len(parts) not in (3, 4) or not parts[0]:
        raise _wrong("--gpu", words, "PRODUCT:GIB:COUNT[:COMPUTE], such as NVIDIA-L4:22.5:1")
    gibibytes, count = _number("--gpu", words, parts[1]), _whole("--gpu", words, parts[2])
    labels = {
        "nvidia.com/gpu.product": parts[0],
        "nvidia.com/gpu.memory": str(int(gibibytes * 1024)),
        "nvidia.com/gpu.count": str(count),
        **_compute(words, parts[3] if len(parts) == 4 else _known_compute(words, parts[0])),
    }
    resources = {
        "nvidia.com/gpu": str(count),
        "cpu": str(HOST_CORES_PER_GPU * count),
        "memory": f"{HOST_GIB_PER_GPU * count}Gi",
    }
    return _node(name, labels, resources)


def cpu_node(words: str, *, name: str) -> Node:
    """Return the node that ``GIB:CORES`` describes; raise ``CommandError``."""
    parts = words.split(":")
    if len(parts) != 2:
        raise _wrong("--cpu", words, "GIB:CORES, such as 64:16")
    gibibytes, cores = _number("--cpu", words, parts[0]), _whole("--cpu", words, parts[1])
    return _node(name, {}, {"cpu": str(cores), "memory": f"{int(gibibytes * 1024)}Mi"})


def _known_compute(words: str, product: str) -> str:
    names = product.upper().split("-")
    for name, capability in COMPUTE_CAPABILITIES:
        if name in names:
            return capability
    raise _wrong("--gpu", words, f"{words}:COMPUTE, such as {words}:9.0: the compute capability is not known by name")


def _compute(words: str, text: str) -> dict[str, str]:
    major, dot, minor = text.partition(".")
    if not (major.isdecimal() and (minor.isdecimal() or not dot)):
        raise _wrong("--gpu", words, "a compute capability such as 8.9 in its last part")
    return {"nvidia.com/gpu.compute.major": major, "nvidia.com/gpu.compute.minor": minor or "0"}


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


def described_nodes(gpus: Sequence[str], cpus: Sequence[str]) -> list[Node]:
    """Return the nodes of the options ``--gpu`` and ``--cpu``; raise ``CommandError``."""
    return [
        *(gpu_node(words, name=f"gpu-{number}") for number, words in enumerate(gpus)),
        *(cpu_node(words, name=f"cpu-{number}") for number, words in enumerate(cpus)),
    ]


def read_nodes(filename: str) -> list[Node]:
    """Return the nodes in a file as ``kubectl get nodes -o yaml`` prints them; raise ``CommandError``."""
    found: list[Any] = []
    for document in read_documents(filename):
        listed = isinstance(document, Mapping) and "items" in document
        found += document["items"] if listed else document if isinstance(document, list) else [document]
    nodes = [node for node in found if isinstance(node, Mapping) and node.get("kind") == "Node"]
    if not nodes or len(nodes) < len(found):
        raise CommandError(f"{filename}: must hold nodes, as kubectl get nodes -o yaml prints them")
    return [dict(node) for node in nodes]


async def inventory_of(
    *, nodes_file: str | None, gpus: Sequence[str], cpus: Sequence[str], settings: Settings, environ: Mapping[str, str]
) -> Inventory:
    """Return the inventory that the options name, else that of the current cluster; raise ``CommandError``."""
    nodes = described_nodes(gpus, cpus) + (read_nodes(nodes_file) if nodes_file else [])
    try:
        return read_inventory(nodes or await _cluster_nodes(settings, environ))
    except ValueError as error:
        raise CommandError(f"{nodes_file or 'the nodes'}: {error}") from error


async def _cluster_nodes(settings: Settings, environ: Mapping[str, str]) -> list[Node]:
    try:
        client = await KubeClient.connect(settings, environ=with_kubeconfig(environ))
    except ConnectionConfigError as error:
        raise CommandError(f"no cluster to plan for: {error}; or name nodes with --gpu, --cpu or --nodes") from error
    try:
        return await client.list(NODE)
    except KubeError as error:
        raise CommandError(f"the cluster's nodes cannot be read: {error}", exit_code=1) from error
    finally:
        await client.close()


def with_kubeconfig(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with kubectl's own default for KUBECONFIG filled in where there is such a file."""
    default = Path(environ.get("HOME") or os.path.expanduser("~")) / ".kube" / "config"  # noqa: PTH111 - as kubectl does
    if environ.get("KUBECONFIG") or not default.is_file():
        return dict(environ)
    return {**environ, "KUBECONFIG": str(default)}
