"""The engine's start, read from its log: phases and what it measured.

vLLM has no endpoint that tells how far a start is; its log is the only source. Every pattern is
optional: a line that nobody knows changes nothing, so another release only tells less.
"""

import re
from dataclasses import dataclass, field, replace

from genmodel_runtime.contract import Phase
from genmodel_runtime.figures import Figures, read_figures
from genmodel_runtime.state import STARTING_PHASES, Measured

_PHASES: tuple[tuple[re.Pattern[str], Phase], ...] = (
    (re.compile(r"Starting to load model|Loading model from scratch"), Phase.LOADING),
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

_VERSION = re.compile(r"(?:V1 LLM engine \(v|server version |\bversion )(\d+\.\d+[\w.+-]*)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class StartProgress:
    """What the log has told so far."""

    phase: Phase = Phase.STARTING
    figures: Figures = field(default_factory=Figures)
    engine_version: str | None = None

    @property
    def measured(self) -> Measured:
        """What the engine has measured so far."""
        return self.figures.measured()


def read_line(progress: StartProgress, line: str) -> StartProgress:
    """Return the progress after one more line of the engine's log.

    A phase never goes back: with several workers the lines of one overtake those of another.
    """
    text = _COLOUR.sub("", line)
    return replace(
        progress,
        phase=_later(progress.phase, text),
        figures=read_figures(progress.figures, text),
        engine_version=progress.engine_version or _first(_VERSION, text),
    )


def split_lines(buffer: bytes) -> tuple[list[bytes], bytes]:
    """Split output into whole lines and the rest; a carriage return ends a line like a newline.

    Lines keep their ending, so that what is passed on is what came. A progress bar that redraws
    itself is one line per redraw.
    """
    lines = buffer.splitlines(keepends=True)
    # A return at the end may be the first half of an ending.
    rest = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
    return lines, rest


def _later(phase: Phase, text: str) -> Phase:
    for pattern, found in _PHASES:
        if pattern.search(text):
            return max(phase, found, key=STARTING_PHASES.index)
    return phase


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    return match[1] if match else None
