"""Getting the scanners: two Go programs, and a Python package in an environment of its own; each made once."""

import sys
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.folders import cache_folder
from tests.cluster.golang import ensure_go
from tests.cluster.images.cache import built_once, content_key
from tests.cluster.images.commands import run, uv_program

HERE = Path(__file__).parent
LOCK = HERE.parents[1] / "requirements" / "checkov.lock"
MODULES = ("github.com/zegl/kube-score/cmd/kube-score", "github.com/yannh/kubeconform/cmd/kubeconform")


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the scanners are; checkov is a folder for PYTHONPATH."""

    kube_score: Path
    kubeconform: Path
    checkov: Path


def scanner_programs() -> Programs:
    """Return the scanners, after making those that are missing: two to three minutes the first time."""
    go = _go_programs()
    return Programs(kube_score=go / "kube-score", kubeconform=go / "kubeconform", checkov=_checkov())


def _go_programs() -> Path:
    go = ensure_go(cache_folder())

    def build(folder: Path) -> None:
        command: list[str | Path] = [
            go.program,
            "build",
            "-trimpath",
            "-ldflags",
            "-s -w",
            "-o",
            f"{folder}/",
            *MODULES,
        ]
        run(command, what="building kube-score and kubeconform", env=go.environment(), cwd=HERE)

    return built_once(
        cache_folder() / "scanners" / content_key(HERE / "go.mod", HERE / "go.sum", go.version),
        what="building kube-score and kubeconform",
        why="two scanners of Kubernetes objects",
        keep=2,
        build=build,
    )


def _checkov() -> Path:
    def install(folder: Path) -> None:
        options: list[str | Path] = ["--quiet", "--python", sys.executable, "--require-hashes", "--requirements", LOCK]
        run([uv_program(), "pip", "install", *options, "--target", folder], what="installing checkov")

    return built_once(
        cache_folder() / "checkov" / content_key(LOCK, sys.version),
        what="installing checkov",
        why="a scanner of Kubernetes objects, 300 MB of packages",
        keep=2,
        build=install,
    )
