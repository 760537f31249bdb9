"""Acquiring the cluster's programs.

Each is looked for in a folder that an environment variable names, on PATH, in the project's cache, among the official
releases, and at last built with Go. Built once: the cache is keyed by the sources, go.sum and the version of Go.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.folders import cache_folder
from tests.cluster.golang import STAGES, build, download_modules, ensure_go, planned_version, sources_of, write_stages
from tests.cluster.images.cache import content_key
from tests.cluster.locks import file_lock
from tests.cluster.progress import say
from tests.cluster.releases import ReleaseSource, architecture, official_releases
from tests.cluster.tools import CONTROL_PLANE_TOOLS, NODE_TOOLS, TOOLS, Package, Tool

EXPLICIT_FOLDER = "GENMODEL_CLUSTER_BIN"
ENVTEST_FOLDER = "KUBEBUILDER_ASSETS"
STAGES_FILE = "kwok-stages.yaml"


@dataclass(frozen=True, slots=True)
class Binaries:
    """The programs that were found, by name, and kwok's stages."""

    programs: Mapping[str, Path]
    stages: Path

    def link_into(self, folder: Path) -> None:
        """Make a folder with a link to each program; the multi-call binary goes by the link's name."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, program in self.programs.items():
            link = folder / name
            link.unlink(missing_ok=True)
            link.symlink_to(program)


def acquire(
    names: Iterable[str] = (*CONTROL_PLANE_TOOLS, *NODE_TOOLS),
    *,
    cache: Path | None = None,
    environment: Mapping[str, str] = os.environ,
    releases: ReleaseSource | None = None,
) -> Binaries:
    """Return the programs, getting those that are missing; ClusterError says what stands in the way."""
    cache = cache or cache_folder()
    tools = [TOOLS[name] for name in names]
    programs = {tool.name: found for tool in tools if (found := find_installed(tool, environment))}
    store = Store(cache / "bin", go_version=planned_version(), given_stages=_given_stages(environment))
    missing = [tool for tool in tools if tool.name not in programs]
    if not all(store.path(tool).exists() for tool in missing) or not store.stages.exists():
        with file_lock(store.root / "build.lock", what="building the cluster's programs"):
            _complete(store, missing, cache=cache, releases=releases or ReleaseSource(official_releases()))
    programs.update({tool.name: store.path(tool) for tool in missing})
    return Binaries(programs=programs, stages=store.stages)


@dataclass(frozen=True, slots=True)
class Store:
    """Where built programs are kept: a folder for each package and each state of what it is made from."""

    root: Path
    go_version: str
    given_stages: Path | None = None

    def folder(self, package: Package) -> Path:
        """Return the folder of a package's programs."""
        digest = hashlib.sha256(f"{self.go_version} {architecture()}\n".encode())
        for file in sources_of(package):
            digest.update(file.read_bytes())
        return self.root / f"{package}-{digest.hexdigest()[:16]}"

    def path(self, tool: Tool) -> Path:
        """Return where a tool is, or will be."""
        return self.folder(tool.package) / tool.name

    @property
    def stages(self) -> Path:
        """Return where kwok's stages are, or will be."""
        return self.given_stages or self.folder("kwok") / f"{content_key(*STAGES)}-{STAGES_FILE}"


def find_installed(tool: Tool, environment: Mapping[str, str]) -> Path | None:
    """Return the tool from the folders that the user named, or a fitting one from PATH."""
    explicit = _inside(environment.get(EXPLICIT_FOLDER), tool.name)
    if explicit:
        return explicit
    for candidate in (_inside(environment.get(ENVTEST_FOLDER), tool.name), _on_path(tool.name, environment)):
        if candidate and tool.fits(candidate):
            return candidate
    return None


def _given_stages(environment: Mapping[str, str]) -> Path | None:
    path = Path(environment.get(EXPLICIT_FOLDER) or "/nonexistent") / STAGES_FILE
    return path if path.is_file() else None


def _inside(folder: str | None, name: str) -> Path | None:
    if not folder:
        return None
    # Links are not followed: a multi-call binary acts by the name that it is called by.
    path = Path(folder).absolute() / name
    return path if path.is_file() and os.access(path, os.X_OK) else None


def _on_path(name: str, environment: Mapping[str, str]) -> Path | None:
    found = shutil.which(name, path=environment.get("PATH"))
    return Path(found).absolute() if found else None


def _complete(store: Store, missing: list[Tool], *, cache: Path, releases: ReleaseSource) -> None:
    wanted = [tool for tool in missing if not store.path(tool).exists()]
    for package in {*(tool.package for tool in wanted), "kwok"}:
        store.folder(package).mkdir(parents=True, exist_ok=True)
    to_build = [tool for tool in wanted if not releases.put(tool.name, store.folder(tool.package))]
    if not to_build and store.stages.exists():
        return
    go = ensure_go(cache)
    if any(tool.package not in {"pause", "greeter"} for tool in to_build):
        download_modules(go)
    for tool in to_build:
        folder = store.folder(tool.package)
        if not (folder / tool.package).exists():
            build(go, tool.package, folder)
        if not store.path(tool).exists():
            store.path(tool).symlink_to(tool.package)
    if not store.stages.exists():
        write_stages(go, store.stages)
    say(f"the cluster's programs are in {store.root}")
