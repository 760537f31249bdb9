"""Prometheus text: the few numbers that supervision reads, and the runtime's own families."""

import math
import re
from dataclasses import dataclass

from genmodel_runtime.contract import Phase
from genmodel_runtime.state import Snapshot

_SAMPLE = re.compile(r"(?P<name>[A-Za-z_:][\w:]*)(?:\{.*\})?\s+(?P<value>\S+)(?:\s+-?\d+)?", re.ASCII)
_RUNNING = "vllm:num_requests_running"
_WAITING = "vllm:num_requests_waiting"
_SIGNS = (
    # Counts steps that gave a token to anybody; the chunks of a long prompt give none, and only
    # take more of the cache.
    "vllm:iteration_tokens_total_count",
    "vllm:generation_tokens_total",
    "vllm:prompt_tokens_total",
    "vllm:kv_cache_usage_perc",
    "vllm:prefix_cache_queries_total",
    "vllm:num_preemptions_total",
)
"""What only a step of the engine changes: its API server learns these figures from each step."""
_READ = (_RUNNING, _WAITING, *_SIGNS)


@dataclass(frozen=True)
class EngineSample:
    """The engine's load at one moment, summed over its engine processes.

    ``signs`` are figures that stand still while the engine is idle or hangs; what they count does
    not matter, only whether they change.
    """

    running: int
    waiting: int
    signs: tuple[float, ...]


def read_sample(text: str) -> EngineSample | None:
    """Return the engine's load from its metrics page; None where it cannot be told from the page."""
    sums: dict[str, float] = {}
    for line in text.splitlines():
        if not line.startswith(_READ):
            continue
        match = _SAMPLE.fullmatch(line.strip())
        if match and match["name"] in _READ:
            sums[match["name"]] = sums.get(match["name"], 0.0) + _value(match["value"])
    signs = tuple(sums[name] for name in _SIGNS if name in sums)
    if _RUNNING not in sums or _WAITING not in sums or not signs:
        return None
    return EngineSample(running=int(sums[_RUNNING]), waiting=int(sums[_WAITING]), signs=signs)


def _value(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0


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
