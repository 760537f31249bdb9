"""What this machine can run, and why not: the ladder of environments.

1. a cluster that the user names with GENMODEL_KUBECONFIG, and IMAGE_REGISTRY to push images to;
2. Debian or Ubuntu as root: a real control plane and a real node;
3. a container engine that answers, with kind (written, but unproven: it needs images pulled);
4. none of these: a control plane where the system lets users make namespaces, the rest is skipped with the reason.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from ctypes.util import find_library
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.cluster.prerequisites import (
    CONTROL_PLANE,
    REAL_NODE,
    is_debian,
    is_root,
    missing_packages,
)
from tests.cluster.rootless import user_namespaces_work
from tests.cluster.versions import ENGINE_PYTHON

KUBECONFIG_VARIABLE = "GENMODEL_KUBECONFIG"
REGISTRY_VARIABLE = "IMAGE_REGISTRY"
ENGINES = ("docker", "podman", "nerdctl")
ENGINE_SECONDS = 10.0
Rung = Literal["foreign", "node", "kind", "none"]


@dataclass(frozen=True, slots=True)
class Environment:
    """What the machine can run; an empty reason means that it can."""

    rung: Rung
    no_control_plane: str
    no_real_node: str
    no_engine: str
    kubeconfig: Path | None = None
    registry: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """The facts that the ladder stands on."""

    is_linux: bool
    is_root: bool
    has_user_namespaces: bool
    is_debian: bool
    missing_for_control_plane: tuple[str, ...]
    missing_for_node: tuple[str, ...]
    missing_for_engine: tuple[str, ...]
    engine: str
    has_kind: bool
    python: tuple[int, int]


def look_at_machine(find_engine: Callable[[], str] | None = None) -> Machine:
    """Return this machine's facts; asks a container engine only where the better rungs are out of reach."""
    linux = sys.platform == "linux"
    node = tuple(missing_packages({**CONTROL_PLANE, **REAL_NODE}, cni=True))
    best = linux and is_root() and (is_debian() or not node)
    return Machine(
        is_linux=linux,
        is_root=is_root(),
        has_user_namespaces=linux and (is_root() or user_namespaces_work()),
        is_debian=is_debian(),
        missing_for_control_plane=tuple(missing_packages(CONTROL_PLANE)),
        missing_for_node=node,
        missing_for_engine=() if find_library("numa") else ("libnuma1",),
        engine="" if best else (find_engine or answering_engine)(),
        has_kind=bool(shutil.which("kind")),
        python=sys.version_info[:2],
    )


def answering_engine() -> str:
    """Return a container engine whose daemon answers; a client on PATH alone is not enough."""
    for engine in ENGINES:
        program = shutil.which(engine)
        if program and _answers(program):
            return engine
    return ""


def _answers(program: str) -> bool:
    try:
        done = subprocess.run([program, "info"], capture_output=True, timeout=ENGINE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def detect(variables: Mapping[str, str] = os.environ, *, machine: Machine | None = None) -> Environment:
    """Return the highest rung that can be had here."""
    machine = machine or look_at_machine()
    no_control_plane, no_engine = _why_no_control_plane(machine), _why_no_engine(machine)
    kubeconfig = variables.get(KUBECONFIG_VARIABLE, "")
    registry = variables.get(REGISTRY_VARIABLE, "")
    if kubeconfig:
        no_node = _why_not_foreign(kubeconfig, registry)
        return Environment("foreign", no_control_plane, no_node, no_engine, Path(kubeconfig), registry)
    no_node = _why_no_node(machine)
    if not no_node:
        return Environment("node", no_control_plane, "", no_engine)
    if machine.engine and machine.has_kind:
        return Environment("kind", no_control_plane, "", no_engine)
    return Environment("none", no_control_plane, f"{no_node}; {_why_not_kind(machine)}", no_engine)


def _why_no_control_plane(machine: Machine) -> str:
    if not machine.is_linux:
        return "a control plane in a network namespace needs Linux"
    if not (machine.is_root or machine.has_user_namespaces):
        return "a control plane in a network namespace needs root, or a system that lets users make namespaces"
    if machine.missing_for_control_plane and not (machine.is_root and machine.is_debian):
        return f"a control plane needs {', '.join(machine.missing_for_control_plane)}"
    return ""


def _why_no_node(machine: Machine) -> str:
    if not machine.is_linux:
        return "a real node needs Linux"
    if not machine.is_root:
        return "a real node needs root"
    if machine.missing_for_node and not machine.is_debian:
        return f"a real node needs Debian or Ubuntu, or these installed: {', '.join(machine.missing_for_node)}"
    return ""


def _why_no_engine(machine: Machine) -> str:
    if not machine.is_linux:
        return "vLLM for CPU needs Linux"
    if machine.python != ENGINE_PYTHON:
        wanted, found = (".".join(map(str, version)) for version in (ENGINE_PYTHON, machine.python))
        return f"vLLM for CPU is locked for Python {wanted}; this is {found}"
    if machine.missing_for_engine and not (machine.is_root and machine.is_debian):
        return f"vLLM for CPU needs {', '.join(machine.missing_for_engine)}"
    return ""


def _why_not_foreign(kubeconfig: str, registry: str) -> str:
    if not Path(kubeconfig).is_file():
        return f"{KUBECONFIG_VARIABLE}={kubeconfig}: there is no such file"
    if not registry:
        return f"{KUBECONFIG_VARIABLE} is set, but not {REGISTRY_VARIABLE}, the registry to push the image to"
    return ""


def _why_not_kind(machine: Machine) -> str:
    if not machine.engine:
        return "no container engine answers"
    return f"{machine.engine} answers, but kind is not on PATH"
