"""`make demo` from the outside: how long each part of it takes when everything is cached, and how long its end.

What a person runs is run: `python -m examples.demo up` and `down`, in processes of their own. A part is what is printed
from one heading to the next, and its time is by the wall clock of who reads it.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bench.record import RESULTS
from examples.demo.models import chat_model, minilm_model
from examples.demo.steps import ROOT
from tests.cluster.binaries import acquire
from tests.cluster.images import operator_image, vllm_cpu_image

HEADING = "==> "
TRANSCRIPT = RESULTS / "demo.txt"
"""What the measured run printed; the README shows parts of it."""
DOWN_LOG = RESULTS / "logs" / "demo-down.txt"
HOW = "python -m bench demo: make demo with binaries, images and models in the cache; seconds on the wall, part by part"
Line = tuple[float, str]
"""Seconds since the start, and what was printed then."""


def measure() -> dict[str, dict[str, str]]:
    """Fill the caches, then run the demo once and end it; return its times."""
    acquire()
    operator_image(ROOT)
    vllm_cpu_image()
    chat_model()
    minilm_model()
    load = os.getloadavg()[0]
    try:
        lines, up_seconds = timed(command("up"), TRANSCRIPT)
    finally:
        _, down_seconds = timed(command("down"), DOWN_LOG)
    parts = {name: f"{seconds:.1f} s" for name, seconds in parts_of(lines, up_seconds).items()}
    whole = {"make demo": f"{up_seconds:.1f} s", "make demo-down": f"{down_seconds:.1f} s"}
    # Cores that are shared with other work make all of it slower; who reads the times must know.
    how = {"measured by": HOW, "load before": f"{load:.1f} processes on {os.cpu_count()} cores"}
    return {"how": how, "whole": whole, "parts of make demo": parts}


def command(action: str) -> list[str]:
    """Return the command that `make` runs for an action of the demo."""
    return [sys.executable, "-m", "examples.demo", action]


def timed(
    args: Sequence[str], transcript: Path, *, cwd: Path = ROOT, env: Mapping[str, str] | None = None
) -> tuple[list[Line], float]:
    """Run a command; keep what it prints, and return it with its times and how long it took."""
    transcript.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with (
        subprocess.Popen(args, cwd=cwd, env=env or environment(), stdout=subprocess.PIPE, text=True) as process,
        transcript.open("w") as kept,
    ):
        lines = []
        for line in process.stdout or ():
            lines.append((time.monotonic() - started, line))
            kept.write(line)
    if process.returncode:
        raise RuntimeError(f"{' '.join(args[-3:])} ended with {process.returncode}; see {transcript}")
    return lines, time.monotonic() - started


def parts_of(lines: Iterable[Line], end_seconds: float, *, first: str = "Python's start") -> dict[str, float]:
    """Return the seconds from each heading to the next; ``first`` is what comes before all of them."""
    begun = [(0.0, first)]
    begun += [(when, line.removeprefix(HEADING).strip()) for when, line in lines if line.startswith(HEADING)]
    ends = [when for when, _ in begun[1:]] + [end_seconds]
    return {name: end - when for (when, name), end in zip(begun, ends, strict=True)}


def environment() -> dict[str, str]:
    """Return this process's environment without what would take the demo elsewhere."""
    return {name: value for name, value in os.environ.items() if name not in ("MODEL", "IMAGE_REGISTRY")}
