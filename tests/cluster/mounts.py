"""Mounts below a folder: finding them and taking them away."""

import re
import subprocess
from pathlib import Path

from tests.cluster.errors import ClusterError


def mounts_below(folder: Path) -> list[Path]:
    """Return the mount points below a folder, the last mounted first."""
    text = Path("/proc/self/mountinfo").read_text()
    points = [Path(_unescaped(line.split()[4])) for line in text.splitlines()]
    return [point for point in reversed(points) if folder in (point, *point.parents)]


def _unescaped(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def unmount_below(folder: Path) -> None:
    """Unmount everything below a folder; ClusterError if something stays, since it must not be deleted then."""
    for point in mounts_below(folder):
        # Lazily: a process that has just been killed may hold it for a moment longer.
        subprocess.run(["umount", "--lazy", point], capture_output=True, check=False)
    left = mounts_below(folder)
    if left:
        raise ClusterError(f"could not unmount {', '.join(map(str, left))}")
