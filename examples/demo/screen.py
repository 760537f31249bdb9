"""What the demo shows: headings, commands as a person would type them, and a model's way up."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

console = Console(highlight=False, soft_wrap=True)

POLL_SECONDS = 1.0


class DemoError(Exception):
    """The demo cannot go on; the message says why and what to do."""


def heading(text: str) -> None:
    console.print(f"\n[bold cyan]==> {text}[/]")


def command(text: str) -> None:
    console.print(f"[bold]$ {text}[/]")


def show(text: str) -> None:
    console.print(text.rstrip(), markup=False)


Read = Callable[[str], Mapping[str, Any]]


def follow(read: Read, name: str, *, timeout_seconds: float) -> None:
    """Show a model's status until it is Ready; raise ``DemoError`` where a person must act first."""
    started = time.monotonic()
    seen: list[tuple[float, str, str, str]] = []
    with Live(console=console, refresh_per_second=4, transient=False) as live:
        while True:
            status = read(name).get("status", {})
            ready = condition(status, "Ready")
            elapsed = time.monotonic() - started
            _note(seen, elapsed, status, ready)
            if sys.stdout.isatty():
                live.update(_table(name, seen))
            if ready.get("status") == "True":
                break
            if condition(status, "Stalled").get("status") == "True":
                raise DemoError(f"{name}: {ready.get('reason')}: {ready.get('message')}")
            if elapsed > timeout_seconds:
                raise DemoError(f"{name} is not Ready after {timeout_seconds:.0f} s: {json.dumps(ready)}")
            time.sleep(POLL_SECONDS)
    if not sys.stdout.isatty():
        for row in seen:
            show(f"  {row[0]:6.1f} s  {row[1]:<14} {row[2]:<24} {row[3]}")
    show(f"{name} is Ready after {time.monotonic() - started:.0f} s")


def condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Return one condition of a status, empty where there is none."""
    return next((found for found in status.get("conditions", []) if found["type"] == kind), {})


def _note(seen: list[tuple[float, str, str, str]], elapsed: float, status: Mapping[str, Any], ready: Any) -> None:
    """Remember each new stage once; a download keeps one line whose bytes move."""
    reason = str(ready.get("reason", "Accepted"))
    row = (elapsed, reason, _bytes(status), str(ready.get("message", "waiting for the operator")))
    if seen and seen[-1][1] == reason:
        seen[-1] = (seen[-1][0], *row[1:])
    else:
        seen.append(row)


def _bytes(status: Mapping[str, Any]) -> str:
    download = status.get("download")
    if not download:
        return ""
    return f"{download['bytesDone'] / 1024**2:.1f} / {download['bytesTotal'] / 1024**2:.1f} MiB"


def _table(name: str, seen: list[tuple[float, str, str, str]]) -> Table:
    table = Table(title=f"GenerativeModel {name}", title_justify="left", expand=True)
    table.add_column("after", justify="right", no_wrap=True)
    table.add_column("stage", no_wrap=True)
    table.add_column("bytes", no_wrap=True)
    table.add_column("what and why", ratio=1)
    for elapsed, reason, amount, message in seen:
        table.add_row(f"{elapsed:.1f} s", reason, amount, message)
    return table
