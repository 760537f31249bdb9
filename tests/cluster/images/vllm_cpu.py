"""The engine's image for CPU nodes of the local cluster.

It stands in for upstream's ``vllm/vllm-openai-cpu`` where no registry can be reached: the same release of
vLLM behind the same entry, ``python3 -m vllm.entrypoints.openai.api_server``, from the wheel that the same
project publishes. Nothing of genmodel is in it; the runtime comes with the init container, as everywhere.
"""

from pathlib import Path

from tests.cluster.folders import cache_folder
from tests.cluster.images.cache import built_once, content_key
from tests.cluster.images.layers import Files, Tree
from tests.cluster.images.oci import write_archive
from tests.cluster.images.rootfs import ENGINE_PACKAGES, debian_rootfs
from tests.cluster.images.site_packages import vllm_site_packages

VLLM_CPU_IMAGE = "genmodel.local/vllm-cpu:0.32.0"
PREFIX = "opt/vllm"
ARCHIVE = "image.tar"
# A path file rather than PYTHONPATH, which the pod sets for the runtime.
PATH_FILE = "usr/local/lib/python3.11/dist-packages/vllm-cpu.pth"
CONFIG = {
    "WorkingDir": "/",
    "Entrypoint": ["python3", "-m", "vllm.entrypoints.openai.api_server"],
    "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1"],
}


def vllm_cpu_image() -> Path:
    """Return the archive of the engine's image, named VLLM_CPU_IMAGE; 2.8 GB, built once per lock file."""
    rootfs = debian_rootfs(ENGINE_PACKAGES)
    packages = vllm_site_packages()
    folder = built_once(
        cache_folder() / "images" / "vllm-cpu" / content_key(rootfs.parent.name, packages.parent.name, repr(CONFIG)),
        what="writing the engine's image",
        why="the local cluster has no registry to pull it from",
        keep=1,
        build=lambda folder: _build(folder, rootfs, packages),
    )
    return folder / ARCHIVE


def _build(folder: Path, rootfs: Path, packages: Path) -> None:
    path_file = Files(((PATH_FILE, f"/{PREFIX}\n".encode()),))
    write_archive(folder / ARCHIVE, VLLM_CPU_IMAGE, [rootfs, Tree(packages, PREFIX), path_file], CONFIG)
