"""Builds from a Dockerfile without a registry: buildah on a base of our own, packages from a folder of wheels."""

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.folders import cache_folder
from tests.cluster.images.cache import built_once, content_key
from tests.cluster.images.commands import run
from tests.cluster.images.oci import write_archive
from tests.cluster.images.rootfs import debian_rootfs
from tests.cluster.prerequisites import ensure_commands

BASE_IMAGE = "genmodel.local/python:3.11"
LOCKS = ("operator.lock", "build.lock")
WHEELS = Path("requirements", "wheels")
CONTEXT = ("LICENSE", "README.md", "pyproject.toml", "operator", "runtime", "requirements")


@dataclass(frozen=True, slots=True)
class Builder:
    """A buildah whose images and containers all lie below one folder."""

    folder: Path

    def run(self, *arguments: str | Path) -> str:
        """Run buildah to its end and return what it prints; ClusterError with its last lines if it fails."""
        ensure_commands({"buildah": "buildah"})
        storage: list[str | Path] = [
            "--root",
            self.folder / "storage",
            "--runroot",
            self.folder / "run",
            "--storage-driver",
            "vfs",
        ]
        # In a namespace with no network: the builds must not need one, and buildah's own chroot would share the host's.
        return run(["unshare", "--net", "buildah", *storage, *arguments], what=f"buildah {arguments[0]}")

    def pull_base(self) -> str:
        """Put a Debian with Python and pip into the storage; return the image's identifier."""
        archive = self.folder / "base.tar"
        write_archive(archive, BASE_IMAGE, [debian_rootfs(("python3-pip",))], {"Env": ["PATH=/usr/bin:/bin"]})
        identifier = self.run("pull", "--quiet", f"oci-archive:{archive}").strip()
        archive.unlink()
        return identifier

    def build(self, dockerfile: str, *, context: Path, base: str) -> str:
        """Build a Dockerfile that takes its base as an argument, without a network; return the image's identifier."""
        identifier = self.folder / "image-id"
        options: list[str | Path] = ["--isolation", "chroot", "--network", "host", "--iidfile", identifier]
        self.run("build", *options, "--build-arg", f"BASE={base}", "--file", context / dockerfile, context)
        return identifier.read_text().strip().removeprefix("sha256:")

    def config(self, image: str) -> Mapping[str, Any]:
        """Return the image's configuration as in the OCI specification."""
        found: Mapping[str, Any] = json.loads(self.run("inspect", "--type", "image", image))["OCIv1"]["config"]
        return found

    def container(self, image: str) -> str:
        """Make a container of the image, for `start`; return its name."""
        return self.run("from", "--pull-never", image).strip()

    def start(self, container: str, *command: str) -> str:
        """Run a command in a container, as its image's user, and return what the command prints."""
        return self.run("run", "--isolation", "chroot", container, "--", *command)

    def remove_all(self) -> None:
        """Remove every container and image, and what they had mounted."""
        self.run("rm", "--all")
        self.run("rmi", "--all", "--force")


def write_context(checkout: Path, folder: Path) -> Path:
    """Copy what the operator's Dockerfile takes from the checkout, with all wheels it asks for; return the folder."""
    folder.mkdir()
    for name in CONTEXT:
        source, target = checkout / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", WHEELS.name))
        else:
            shutil.copy(source, target)
    shutil.copytree(wheelhouse(checkout), folder / WHEELS)
    return folder


def wheelhouse(checkout: Path) -> Path:
    """Return a folder with the wheels of the operator's locks, downloaded by pip where it is not there yet."""
    locks = [checkout / "requirements" / name for name in LOCKS]
    folder = built_once(
        cache_folder() / "wheels" / content_key(*locks),
        what="downloading the operator's wheels",
        why="an image build without a network takes them from a folder",
        keep=2,
        build=lambda folder: _download(locks, folder / "wheels"),
    )
    return folder / "wheels"


def _download(locks: list[Path], folder: Path) -> None:
    for lock in locks:
        argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        run([*argv, "--only-binary", ":all:", "--dest", folder, "-r", lock], what=f"downloading {lock.name}")
