"""What the demo shows: headings, commands as a person would type them, and a model's way up."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

console = Console(highlight=False, soft_wrap=True)

POLL_SECONDS = 1.0
LINE_SECONDS = 10.0
"""A stage that goes on says what has changed in it this often, where lines cannot be redrawn."""


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""


def heading(text: str) -> None:
    console.print(f"\n[bold cyan]==> {text}[/]")


def command(text: str) -> None:
    console.print(f"[bold]$ {text}[/]")


def show(text: str) -> None:
    console.print(text.rstrip(), markup=False)


Read = Callable[[str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a model was on its way up, and how many seconds after the wish."""

    elapsed_seconds: float
    reason: str
    amount: str
    message: str


Tell = Callable[[Stage], None]


def follow(
    read: Read,
    name: str,
    *,
    timeout_seconds: float,
    screen: Console = console,
    poll_seconds: float = POLL_SECONDS,
    line_seconds: float = LINE_SECONDS,
) -> None:
    """Show a model's status, as it changes, until it is Ready; raise ``DemoError`` where a person must act first."""
    started = time.monotonic()
    with _table(name, screen) if screen.is_terminal else _lines(screen, line_seconds) as tell:
        while True:
            status = read(name).get("status", {})
            ready = condition(status, "Ready")
            stage = _stage(time.monotonic() - started, status, ready)
            tell(stage)
            if ready.get("status") == "True":
                break
            if condition(status, "Stalled").get("status") == "True":
                raise DemoError(f"{name}: {ready.get('reason')}: {ready.get('message')}")
            if stage.elapsed_seconds > timeout_seconds:
                raise DemoError(f"{name} is not Ready after {timeout_seconds:.0f} s: {json.dumps(ready)}")
            time.sleep(poll_seconds)
    screen.print(f"{name} is Ready after {time.monotonic() - started:.0f} s", markup=False)


def condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Return one condition of a status, empty where there is none."""
    return next((found for found in status.get("conditions", []) if found["type"] == kind), {})


def _stage(elapsed_seconds: float, status: Mapping[str, Any], ready: Mapping[str, Any]) -> Stage:
    message = str(ready.get("message", "waiting for the operator"))
    return Stage(elapsed_seconds, str(ready.get("reason", "Accepted")), _bytes(status), message)


def _bytes(status: Mapping[str, Any]) -> str:
    download = status.get("download")
    if not download:
        return ""
    return f"{download['bytesDone'] / 1024**2:.1f} / {download['bytesTotal'] / 1024**2:.1f} MiB"


@contextmanager
def _lines(screen: Console, line_seconds: float) -> Iterator[Tell]:
    """Yield what writes a line for each new stage at once, and now and then one for what changes within it."""
    last = Stage(0, "", "", "")

    def tell(stage: Stage) -> None:
        nonlocal last
        changed = (stage.amount, stage.message) != (last.amount, last.message)
        if stage.reason != last.reason or (changed and stage.elapsed_seconds - last.elapsed_seconds >= line_seconds):
            last = stage
            cells = f"{stage.elapsed_seconds:6.1f} s  {stage.reason:<14} {stage.amount:<18} {stage.message}"
            screen.print(f"  {cells}", markup=False)

    yield tell


@contextmanager
def _table(name: str, screen: Console) -> Iterator[Tell]:
    """Yield what redraws a table in place: one row a stage, from when it began, with what it says now."""
    seen: list[Stage] = []
    with Live(console=screen, refresh_per_second=4, transient=False) as live:

        def tell(stage: Stage) -> None:
            if seen and seen[-1].reason == stage.reason:
                stage = Stage(seen.pop().elapsed_seconds, stage.reason, stage.amount, stage.message)
            seen.append(stage)
            live.update(_rows(name, seen))

        yield tell


def _rows(name: str, seen: list[Stage]) -> Table:
    table = Table(title=f"GenerativeModel {name}", title_justify="left", expand=True)
    table.add_column("after", justify="right", no_wrap=True)
    table.add_column("stage", no_wrap=True)
    table.add_column("bytes", no_wrap=True)
    table.add_column("what and why", ratio=1)
    for stage in seen:
        table.add_row(f"{stage.elapsed_seconds:.1f} s", stage.reason, stage.amount, stage.message)
    return table
