"""The engine's start, read from its log: phases and what it measured.

vLLM has no endpoint that tells how far a start is; its log is the only source. Every pattern is
optional: a line that nobody knows changes nothing, so another release only tells less.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from genmodel_runtime.contract import Phase
from genmodel_runtime.state import STARTING_PHASES, Measured

_PHASES: tuple[tuple[re.Pattern[str], Phase], ...] = (
    (re.compile(r"Starting to load model"), Phase.LOADING),
    (re.compile(r"Loading (?:safetensors|pt) checkpoint shards:"), Phase.LOADING),
    (re.compile(r"Loading weights took [\d.]+ seconds"), Phase.LOADING),
    (re.compile(r"Using cache directory: .* for vLLM's torch\.compile"), Phase.COMPILING),
    (re.compile(r"Dynamo bytecode transform time"), Phase.COMPILING),
    (re.compile(r"torch\.compile took [\d.]+ s"), Phase.COMPILING),
    (re.compile(r"saved AOT compiled function"), Phase.COMPILING),
    (re.compile(r"KV cache size: [\d,]+ tokens"), Phase.WARMING_UP),
    (re.compile(r"Capturing CUDA graphs"), Phase.WARMING_UP),
    (re.compile(r"Graph capturing finished in"), Phase.WARMING_UP),
    (re.compile(r"Warming up model"), Phase.WARMING_UP),
    (re.compile(r"init engine .* took [\d.]+ s"), Phase.WARMING_UP),
    (re.compile(r"Starting vLLM server on"), Phase.WARMING_UP),
    (re.compile(r"Application startup complete"), Phase.WARMING_UP),
)

_WEIGHTS = re.compile(r"Model loading took ([\d.]+) GiB")
_CHECKPOINT = re.compile(r"Checkpoint size: ([\d.]+) GiB")
_KV_CACHE = re.compile(r"Available KV cache memory: ([\d.]+) GiB")
_KV_CACHE_CPU = re.compile(r"(?:Explicitly|Auto) set \(([\d.]+)/[\d.]+\) GiB for KV cache")
_KV_TOKENS = re.compile(r"KV cache size: ([\d,]+) tokens")
_ACTIVATION = re.compile(r"([\d.]+) GiB for peak activation")
_VERSION = re.compile(r"(?:V1 LLM engine \(v|server version |\bversion )(\d+\.\d+[\w.+-]*)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class StartProgress:
    """What the log has told so far."""

    phase: Phase = Phase.STARTING
    measured: Measured = field(default_factory=Measured)
    engine_version: str | None = None
    is_weights_estimate: bool = False
    """The weights are only the checkpoint's size; what a worker says of itself replaces it."""


def read_line(progress: StartProgress, line: str) -> StartProgress:
    """Return the progress after one more line of the engine's log.

    A phase never goes back: with several workers the lines of one overtake those of another. Of a
    figure that each worker reports, the one of the fullest device is kept: it decides.
    """
    text = _COLOUR.sub("", line)
    seen = replace(
        progress,
        phase=_later(progress.phase, text),
        engine_version=progress.engine_version or _first(_VERSION, text),
    )
    return _with_cache(_with_weights(seen, text), text) if "GiB" in text or "tokens" in text else seen


def split_lines(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Split output into whole lines and the rest; a carriage return ends a line like a newline.

    Lines keep their ending, so that what is passed on is what came. A progress bar that redraws
    itself is one line per redraw.
    """
    lines = re.findall(rb"[^\r\n]*(?:\r\n|\n|\r(?!$))", buffer)
    return lines, buffer[sum(map(len, lines)) :]


def _later(phase: Phase, text: str) -> Phase:
    for pattern, found in _PHASES:
        if pattern.search(text):
            return max(phase, found, key=STARTING_PHASES.index)
    return phase


def _with_weights(progress: StartProgress, text: str) -> StartProgress:
    loaded = _number(_WEIGHTS, text)
    known = progress.measured.weights_gib
    if loaded is not None:
        weights = loaded if progress.is_weights_estimate else _extreme(max, known, loaded)
        return replace(progress, measured=replace(progress.measured, weights_gib=weights), is_weights_estimate=False)
    checkpoint = _number(_CHECKPOINT, text)
    if checkpoint is None or known is not None:
        return progress
    return replace(progress, measured=replace(progress.measured, weights_gib=checkpoint), is_weights_estimate=True)


def _with_cache(progress: StartProgress, text: str) -> StartProgress:
    known = progress.measured
    kv_cache = _number(_KV_CACHE, text)
    if kv_cache is None:
        kv_cache = _number(_KV_CACHE_CPU, text)
    tokens = _number(_KV_TOKENS, text)
    measured = replace(
        known,
        kv_cache_gib=_extreme(min, known.kv_cache_gib, kv_cache),
        kv_tokens=known.kv_tokens if tokens is None else int(tokens),
        activation_gib=_extreme(max, known.activation_gib, _number(_ACTIVATION, text)),
    )
    return replace(progress, measured=measured)


def _extreme(pick: Callable[[float, float], float], known: float | None, found: float | None) -> float | None:
    if known is None or found is None:
        return found if known is None else known
    return pick(known, found)


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    return match[1] if match else None


def _number(pattern: re.Pattern[str], text: str) -> float | None:
    found = _first(pattern, text)
    if found is None:
        return None
    try:
        return float(found.replace(",", ""))
    except ValueError:
        return None
