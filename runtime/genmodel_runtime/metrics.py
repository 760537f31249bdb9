"""Prometheus text: the few numbers that supervision reads, and the runtime's own families."""

import re
from dataclasses import dataclass

from genmodel_runtime.contract import Phase
from genmodel_runtime.state import Snapshot

_SAMPLE = re.compile(r"(?P<name>[A-Za-z_:][\w:]*)(?:\{.*\})?\s+(?P<value>\S+)(?:\s+-?\d+)?", re.ASCII)
_RUNNING = "vllm:num_requests_running"
_WAITING = "vllm:num_requests_waiting"
_ITERATIONS = "vllm:iteration_tokens_total_count"


@dataclass(frozen=True)
class EngineSample:
    """The engine's load at one moment, summed over its engine processes.

    ``iterations`` counts steps of the model; it stands still while the engine is idle or hangs.
    """

    running: int
    waiting: int
    iterations: int


def read_sample(text: str) -> EngineSample | None:
    """Return the engine's load from its metrics page; None where a number is missing."""
    sums: dict[str, float] = {}
    for line in text.splitlines():
        if not line.startswith((_RUNNING, _WAITING, _ITERATIONS)):
            continue
        match = _SAMPLE.fullmatch(line.strip())
        if match and match["name"] in (_RUNNING, _WAITING, _ITERATIONS):
            sums[match["name"]] = sums.get(match["name"], 0.0) + float(match["value"])
    if len(sums) < 3:
        return None
    return EngineSample(running=int(sums[_RUNNING]), waiting=int(sums[_WAITING]), iterations=int(sums[_ITERATIONS]))


def own_metrics(snapshot: Snapshot) -> str:
    """Return the runtime's own metrics in Prometheus text format."""
    lines = ["# HELP genmodel_runtime_phase What the pod is doing; 1 for the current phase.",
             "# TYPE genmodel_runtime_phase gauge"]  # fmt: skip
    lines += [f'genmodel_runtime_phase{{phase="{phase.value}"}} {int(phase is snapshot.phase)}' for phase in Phase]
    lines += _gauge("genmodel_runtime_phase_since_seconds", "When the phase began (Unix time).", snapshot.since)
    if snapshot.measured.start_seconds is not None:
        lines += _gauge(
            "genmodel_runtime_start_seconds",
            "From the start of the engine's process to its first answer.",
            snapshot.measured.start_seconds,
        )
    if snapshot.download is not None:
        lines += _gauge("genmodel_runtime_download_bytes", "Bytes of the model on disk.", snapshot.download.bytes_done)
        lines += _gauge(
            "genmodel_runtime_download_expected_bytes", "Bytes of the whole model.", snapshot.download.bytes_total
        )
    return "\n".join(lines) + "\n"


def _gauge(name: str, text: str, value: float) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} gauge", f"{name} {value:.17g}"]
