"""`make demo` on a machine that has nothing of it: a fresh clone, empty caches, no virtual environment.

Debian's own packages stay: what of them is missing is installed as anywhere.
"""

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.demo import DOWN_LOG, environment, parts_of, timed
from bench.record import RESULTS
from examples.demo.steps import ROOT

LOG = RESULTS / "logs" / "demo-from-nothing.txt"
HOW = "python -m bench demo-from-nothing: make demo in a fresh clone, with empty caches; seconds on the wall"
FIRST = "Python's packages"


def measure() -> dict[str, dict[str, str]]:
    """Run the demo in a clone with caches of its own, then end it; return its times."""
    load = os.getloadavg()[0]
    with TemporaryDirectory(prefix="genmodel-from-nothing-") as name:
        folder = Path(name)
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder / "checkout")], check=True)
        # Go marks what it downloads as read-only, which would be in the way when the folder goes.
        own = {"XDG_CACHE_HOME": str(folder / "cache"), "GOPATH": str(folder / "go"), "GOFLAGS": "-modcacherw"}
        checkout, env = folder / "checkout", environment() | own
        try:
            lines, seconds = timed(["make", "demo"], LOG, cwd=checkout, env=env)
        finally:
            timed(["make", "demo-down"], DOWN_LOG, cwd=checkout, env=env)
    return rows_of(parts_of(lines, seconds, first=FIRST), seconds, load)


def rows_of(parts: dict[str, float], seconds: float, load: float) -> dict[str, dict[str, str]]:
    """Return how it was measured, the whole and its parts, in minutes and seconds."""
    how = {"measured by": HOW, "load before": f"{load:.1f} processes on {os.cpu_count()} cores"}
    return {
        "how": how,
        "whole": {"make demo": minutes(seconds)},
        "parts of make demo": {name: minutes(part) for name, part in parts.items()},
    }


def minutes(seconds: float) -> str:
    """Return seconds as in ``16 min 5 s``."""
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60} s"
