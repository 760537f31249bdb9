"""Control groups of the node's containers: one subtree of our own in every hierarchy, v1 and v2."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.processes import ProcessId, end

REMOVE_SECONDS = 5.0


def hierarchies() -> list[Path]:
    """Return the mount points of all cgroup hierarchies."""
    lines = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [Path(fields[4]) for fields in lines if fields[fields.index("-") + 1] in {"cgroup", "cgroup2"}]


def create(name: str) -> None:
    """Make the subtree, which the kubelet wants to find there."""
    for hierarchy in hierarchies():
        (hierarchy / name).mkdir(exist_ok=True)
        # In v1 a new cpuset is empty and takes no process until it names processors and memory.
        for setting in ("cpuset.cpus", "cpuset.mems"):
            if (hierarchy / name / setting).exists() and (hierarchy / "tasks").exists():
                (hierarchy / name / setting).write_text((hierarchy / setting).read_text())


def remove(name: str) -> None:
    """Kill what is left in the subtree and take it away."""
    for process in _processes(name):
        end(process, grace_seconds=0)
    deadline = time.monotonic() + REMOVE_SECONDS
    # A group stays busy for a moment after its last process has gone.
    while not _try_remove(name) and time.monotonic() < deadline:
        time.sleep(0.1)


def _groups(name: str) -> Iterator[Path]:
    """Yield the subtree's groups, children before parents."""
    for hierarchy in hierarchies():
        root = hierarchy / name
        if root.is_dir():
            yield from sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True)
            yield root


def _processes(name: str) -> set[ProcessId]:
    found: set[ProcessId] = set()
    for group in _groups(name):
        with contextlib.suppress(OSError):
            for pid in (group / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    found.add(ProcessId.of(int(pid)))
    return found


def _try_remove(name: str) -> bool:
    for group in _groups(name):
        with contextlib.suppress(OSError):
            group.rmdir()
    return not any(True for _ in _groups(name))
