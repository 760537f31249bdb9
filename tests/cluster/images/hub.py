"""The image of a small Hub with models in it, for clusters that cannot reach a Hub on this machine."""

from collections.abc import Mapping
from pathlib import Path

from tests.cluster.folders import cache_folder
from tests.cluster.images.cache import built_once, content_key, tree_key
from tests.cluster.images.layers import Files, Layer, Tree
from tests.cluster.images.oci import write_archive
from tests.cluster.images.rootfs import USER_ID, debian_rootfs

HUB_IMAGE = "genmodel.local/hub:dev"
PREFIX = "opt/hub"
MODELS = "srv/models"
ARCHIVE = "image.tar"


def hub_image(checkout: Path, models: Mapping[str, Path], *, port: int, cdn_port: int) -> Path:
    """Return the archive of a Hub that serves these models (``org/name`` to folder), named HUB_IMAGE."""
    rootfs = debian_rootfs()
    config = hub_config(models, port=port, cdn_port=cdn_port)
    keys = [tree_key(folder, (path for path in folder.rglob("*") if path.is_file())) for folder in models.values()]
    key = content_key(rootfs.parent.name, tree_key(checkout, hub_sources(checkout)), *keys, repr(config))
    layers: list[Layer] = [rootfs, hub_program(checkout)]
    layers += [Tree(folder, f"{MODELS}/{name}") for name, folder in models.items()]
    folder = built_once(
        cache_folder() / "images" / "hub" / key,
        what="writing the image of the demo's Hub",
        why="the other cluster has no Hub with the demo's models",
        keep=2,
        build=lambda folder: _write(folder / ARCHIVE, layers, config),
    )
    return folder / ARCHIVE


def hub_sources(checkout: Path) -> list[Path]:
    """Return the files of the Hub, which need the standard library only; what tests of its clients share is none."""
    tests = checkout / "tests"
    modules = [path for path in sorted((tests / "fakes").glob("hub*.py")) if path.stem != "hub_testing"]
    return [tests / "__init__.py", tests / "fakes" / "__init__.py", *modules]


def hub_program(checkout: Path) -> Files:
    """Return the layer with the Hub's files."""
    files = [(f"{PREFIX}/{path.relative_to(checkout).as_posix()}", path.read_bytes()) for path in hub_sources(checkout)]
    return Files(tuple(files))


def hub_config(models: Mapping[str, Path], *, port: int, cdn_port: int) -> dict[str, object]:
    """Return the image's configuration; it listens on all addresses."""
    entry = ["python3", "-m", "tests.fakes.hub", "--host", "0.0.0.0", "--port", str(port), "--cdn-port", str(cdn_port)]
    for name in models:
        entry += ["--model", f"{name}=/{MODELS}/{name}"]
    return {
        "User": f"{USER_ID}:{USER_ID}",
        "WorkingDir": "/",
        "Entrypoint": entry,
        "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1", f"PYTHONPATH=/{PREFIX}"],
    }


def _write(archive: Path, layers: list[Layer], config: Mapping[str, object]) -> None:
    write_archive(archive, HUB_IMAGE, layers, config)
