"""Memory figures in the engine's log: what it measured of itself while it started.

Wordings of vLLM 0.8 to 0.32, on GPU and CPU. A figure that a release does not print, or that a
start did not measure, stays unknown: with ``--kv-cache-memory-bytes`` vLLM skips its memory
profile, and tells weights, cache and CUDA graphs alone.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from genmodel_runtime.state import Measured

_Pick = Callable[[float, float], float]


@dataclass(frozen=True)
class Figures:
    """What the workers have said so far, in GiB of one device; None: nothing yet.

    Of a figure that each worker reports, the one of the fullest device is kept: it decides.

    Attributes:
        checkpoint: files of the weights; all that is told on CPU, and no memory.
        peak: activation; with ``set_aside`` in it where ``is_set_aside_in_peak``.
        consumed: weights and what is outside torch in one figure, as told from 0.27 on.
        set_aside: the engine's own estimate of its CUDA graphs.

    """

    weights: float | None = None
    checkpoint: float | None = None
    kv_cache: float | None = None
    kv_tokens: float | None = None
    peak: float | None = None
    non_torch: float | None = None
    consumed: float | None = None
    graphs: float | None = None
    set_aside: float | None = None
    is_set_aside_in_peak: bool = False

    def measured(self) -> Measured:
        """Return the figures as ``/status`` tells them, each without what belongs to another one."""
        is_in_peak = self.is_set_aside_in_peak and self.set_aside is not None
        return Measured(
            weights_gib=self.weights,
            checkpoint_gib=self.checkpoint,
            kv_cache_gib=self.kv_cache,
            kv_tokens=None if self.kv_tokens is None else int(self.kv_tokens),
            activation_gib=_less(self.peak, self.set_aside) if is_in_peak else self.peak,
            non_torch_gib=_less(self.consumed, self.weights) if self.non_torch is None else self.non_torch,
            cuda_graph_gib=self.graphs,
        )


def _less(whole: float | None, part: float | None) -> float | None:
    return None if whole is None or part is None else round(whole - part, 4)


def _newest(_known: float, found: float) -> float:
    return found


_N = r"(-?[\d.]+) ?GiB"
_FIGURES: tuple[tuple[str, _Pick, re.Pattern[str]], ...] = (
    ("weights", max, re.compile(r"Model loading took ([\d.]+) Gi?B")),
    ("checkpoint", max, re.compile(rf"Checkpoint size: {_N}")),
    ("kv_cache", min, re.compile(rf"Available KV cache memory: {_N}")),
    ("kv_cache", min, re.compile(rf"reserved {_N} memory for KV Cache as specified")),
    ("kv_cache", min, re.compile(rf"the rest of the memory reserved for KV Cache is {_N}")),
    ("kv_cache", min, re.compile(r"(?:Explicitly|Auto) set \(([\d.]+)/[\d.]+\) GiB for KV cache")),
    ("kv_tokens", _newest, re.compile(r"KV cache size: ([\d,]+) tokens")),
    ("peak", max, re.compile(rf"{_N} for peak activation")),
    ("peak", max, re.compile(rf"PyTorch activation peak memory takes {_N}")),
    ("non_torch", max, re.compile(rf"{_N} for non-torch memory")),
    ("non_torch", max, re.compile(rf"non_torch_memory takes {_N}")),
    ("consumed", max, re.compile(rf"{_N} for consumed memory \(weights \+ non-torch\)")),
    # The profile of the graphs prints the same line before the capture that stays.
    ("graphs", _newest, re.compile(rf"Graph capturing finished in .*took {_N}")),
    ("graphs", max, re.compile(rf"{_N} for CUDAGraph memory")),
    ("set_aside", max, re.compile(rf"Estimated CUDA graph memory: {_N} total")),
    ("set_aside", max, re.compile(rf"\(actual\), {_N} \(estimated\)")),
)
_SET_ASIDE_IN_PEAK = "CUDA graph memory profiling is enabled"
_UNITS = ("GiB", "GB", "tokens")


def read_figures(known: Figures, text: str) -> Figures:
    """Return the figures after one more line of the log, without its colours."""
    if _SET_ASIDE_IN_PEAK in text:
        return replace(known, is_set_aside_in_peak=True)
    if not any(unit in text for unit in _UNITS):
        return known
    for name, pick, pattern in _FIGURES:
        found = _number(pattern, text)
        if found is not None:
            before: float | None = getattr(known, name)
            change: dict[str, Any] = {name: found if before is None else pick(before, found)}
            known = replace(known, **change)
    return known


def _number(pattern: re.Pattern[str], text: str) -> float | None:
    match = pattern.search(text)
    if match is None:
        return None
    try:
        number = float(match[1].replace(",", ""))
    except ValueError:
        return None
    return number if math.isfinite(number) else None
