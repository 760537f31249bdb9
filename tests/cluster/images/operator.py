"""The operator's image: a small Debian with Python, the locked dependencies and our wheel.

The same as ``operator/Dockerfile`` makes, for machines without a container engine or registry.
"""

import sys
from pathlib import Path

from tests.cluster.folders import cache_folder
from tests.cluster.images.cache import built_once, content_key, tree_key
from tests.cluster.images.commands import compile_bytecode, run, uv_program
from tests.cluster.images.layers import Files, Layer, Tree
from tests.cluster.images.oci import write_archive
from tests.cluster.images.rootfs import USER_ID, debian_rootfs

OPERATOR_IMAGE = "genmodel.local/operator:dev"
PREFIX = "opt/genmodel"
ARCHIVE = "image.tar"
PATH_FILE = "usr/local/lib/python3.11/dist-packages/genmodel.pth"
PROGRAM = "usr/local/bin/genmodel"
PROGRAM_TEXT = b"#!/usr/bin/python3\nimport sys\n\nfrom genmodel_operator.cli import main\n\nsys.exit(main())\n"
CONFIG = {
    "User": f"{USER_ID}:{USER_ID}",
    "WorkingDir": "/",
    "Entrypoint": ["genmodel"],
    "Cmd": ["run"],
    "Env": [
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE=1",
        "PYTHONUNBUFFERED=1",
        "HF_HUB_DISABLE_TELEMETRY=1",
    ],
    "Labels": {"org.opencontainers.image.title": "genmodel", "org.opencontainers.image.licenses": "Apache-2.0"},
}


def operator_image(checkout: Path) -> Path:
    """Return the archive of the operator's image for what is in the checkout now, named OPERATOR_IMAGE."""
    rootfs = debian_rootfs()
    lock = checkout / "requirements" / "operator.lock"
    sources = tree_key(checkout, operator_sources(checkout))
    key = content_key(sources, lock, rootfs.parent.name, PROGRAM_TEXT, repr(CONFIG))
    folder = built_once(
        cache_folder() / "images" / "operator" / key,
        what="building the operator's image",
        why="it is not there yet for this state of the sources",
        keep=3,
        build=lambda folder: _build(folder, checkout, rootfs),
    )
    return folder / ARCHIVE


def operator_sources(checkout: Path) -> list[Path]:
    """Return every file that the wheel is made of."""
    packages = (checkout / "operator" / "genmodel_operator", checkout / "runtime" / "genmodel_runtime")
    inside = [path for package in packages for path in package.rglob("*") if path.is_file()]
    sources = [path for path in inside if "__pycache__" not in path.parts]
    return [*sources, *(checkout / name for name in ("pyproject.toml", "README.md", "LICENSE"))]


def _build(folder: Path, checkout: Path, rootfs: Path) -> None:
    program = folder / "program"
    _install_wheel(checkout, program)
    launcher = Files(
        ((PATH_FILE, f"/{PREFIX}\n".encode()), (PROGRAM, PROGRAM_TEXT)),
        executable=frozenset({PROGRAM}),
    )
    layers: list[Layer] = [rootfs, Tree(operator_dependencies(checkout), PREFIX), launcher, Tree(program, PREFIX)]
    write_archive(folder / ARCHIVE, OPERATOR_IMAGE, layers, CONFIG)


def _install_wheel(checkout: Path, target: Path) -> None:
    wheels = target.with_name("wheel")
    run([uv_program(), "build", "--wheel", "--out-dir", wheels, checkout], what="building the wheel")
    (wheel,) = wheels.glob("*.whl")
    _install(["--no-deps", wheel], target)


def operator_dependencies(checkout: Path) -> Path:
    """Return the folder with the packages that the image has beside our own, and no others."""
    lock = checkout / "requirements" / "operator.lock"
    folder = built_once(
        cache_folder() / "images" / "operator-dependencies" / content_key(lock),
        what="installing the operator's dependencies",
        why="they are not there yet for this requirements/operator.lock",
        keep=2,
        build=lambda folder: _install(["--no-deps", "--require-hashes", "-r", lock], folder / "site-packages"),
    )
    return folder / "site-packages"


def _install(arguments: list[str | Path], target: Path) -> None:
    argv: list[str | Path] = [uv_program(), "pip", "install", "--python", sys.executable, "--target", target]
    run([*argv, "--only-binary", ":all:", *arguments], what="installing the operator")
    # Scripts of dependencies name this machine's Python in their first line; ours is PROGRAM.
    for script in (target / "bin").glob("*"):
        script.unlink()
    compile_bytecode(target)
