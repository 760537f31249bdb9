"""A screen that is kept up to date: drawn over itself on a terminal, a line per change elsewhere."""

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TextIO

from genmodel_operator.cli.input import CommandError
from genmodel_operator.cli.layout import cut, rows_of
from genmodel_operator.cli.terminal import Style
from genmodel_operator.cli.verdict import Download, State, Verdict

POLL_SECONDS = 1.0
UNANSWERED = 1
"""Exit code of the errors that time may mend."""
DOWNLOAD_STEP = 0.1
"""Share of a download after which a line tells of it where output is no terminal."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What is shown at one moment.

    Attributes:
        lines: the screen.
        verdicts: of every model on it, by name.
        downloads: of those that download, by name.
        problem: why this is what was seen before, in words; None where it is what there is.

    """

    lines: Sequence[str]
    verdicts: dict[str, Verdict]
    downloads: dict[str, Download]
    problem: str | None = None

    @property
    def is_ready(self) -> bool:
        """Whether every model is ready; nothing to wait for is not ready."""
        return bool(self.verdicts) and all(one.state is State.READY for one in self.verdicts.values())

    @property
    def stalled(self) -> str | None:
        """Name of a model that cannot go on without a person."""
        return next((name for name, one in self.verdicts.items() if one.state is State.STALLED), None)


class Display(Protocol):
    """Where frames go."""

    def show(self, frame: Frame, elapsed_seconds: float) -> None:
        """Take the next frame."""
        ...


class Redrawn:
    """Draws each frame over the one before it."""

    def __init__(self, stream: TextIO) -> None:
        """Take a terminal."""
        self._stream = stream
        self._rows = 0

    def show(self, frame: Frame, elapsed_seconds: float) -> None:
        """Draw a frame, which leaves a row of the terminal for a problem and one for the cursor."""
        columns = shutil.get_terminal_size().columns
        up = f"\033[{self._rows}A\r" if self._rows else ""
        # Each line is cleared behind its own text, so that nothing flickers; then what was below.
        lines = [*frame.lines, *([cut(f"  {frame.problem}", columns - 1, Style())] if frame.problem else [])]
        body = "".join(f"{line}\033[K\n" for line in lines)
        self._stream.write(f"{up}{body}\033[J")
        self._stream.flush()
        self._rows = rows_of(lines, columns)


class Appended:
    """Writes a line whenever a model's reason changes or its download has come a step further."""

    def __init__(self, stream: TextIO) -> None:
        """Take any stream."""
        self._stream = stream
        self._said: dict[str, tuple[State, str, int]] = {}
        self._problem: str | None = None

    def show(self, frame: Frame, elapsed_seconds: float) -> None:
        """Write what is new."""
        if frame.problem and frame.problem != self._problem:
            self._stream.write(f"{elapsed_seconds:8.1f} s  {frame.problem}\n")
        self._problem = frame.problem
        for name, verdict in frame.verdicts.items():
            download = frame.downloads.get(name)
            step = int(download.bytes_done / download.bytes_total / DOWNLOAD_STEP) if download else 0
            said = (verdict.state, verdict.reason, step)
            if self._said.get(name) == said:
                continue
            self._said[name] = said
            who = f"{name}  " if len(frame.verdicts) > 1 else ""
            self._stream.write(f"{elapsed_seconds:8.1f} s  {who}{verdict.reason:<14}  {verdict.message}\n")
        self._stream.flush()


async def watch(
    look: Callable[[], Awaitable[Frame]],
    display: Display,
    *,
    timeout_seconds: float | None = None,
    fail_fast: bool = False,
    clock: Callable[[], float] = time.monotonic,
    poll_seconds: float = POLL_SECONDS,
) -> str | None:
    """Show frames until every model is ready; return None, or in words why the watch ended before that.

    A cluster that stops to answer is waited for; raises ``CommandError`` where it never did, or the model is gone.
    """
    started = clock()
    frame: Frame | None = None
    while True:
        frame = await _next(look, frame)
        elapsed = clock() - started
        display.show(frame, elapsed)
        if frame.is_ready and not frame.problem:
            return None
        if fail_fast and frame.stalled:
            return f"{frame.stalled}: {frame.verdicts[frame.stalled].reason}: a person must act"
        if timeout_seconds is not None and elapsed >= timeout_seconds:
            waiting = [name for name, one in frame.verdicts.items() if one.state is not State.READY]
            return f"not Ready after {timeout_seconds:.0f} s: {', '.join(waiting) or 'there is no model'}"
        left = float("inf") if timeout_seconds is None else timeout_seconds - elapsed
        await asyncio.sleep(min(poll_seconds, left))


async def _next(look: Callable[[], Awaitable[Frame]], last: Frame | None) -> Frame:
    try:
        return await look()
    except CommandError as error:
        if last is None or error.exit_code != UNANSWERED:
            raise
        return replace(last, problem=str(error))
