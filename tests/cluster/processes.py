"""Processes by number and start time, so that a number that was used again is never hit."""

import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path

KILL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process for certain: its number and the clock ticks from boot to its start."""

    pid: int
    start_ticks: int

    @classmethod
    def of(cls, pid: int) -> "ProcessId":
        """Return the identity of a living process; ProcessLookupError if there is none."""
        _, start_ticks = _read_stat(pid)
        return cls(pid=pid, start_ticks=start_ticks)

    def is_alive(self) -> bool:
        """Return whether this very process still runs; a zombie does not."""
        try:
            state, start_ticks = _read_stat(self.pid)
        except ProcessLookupError:
            return False
        return start_ticks == self.start_ticks and state not in "ZX"


def _read_stat(pid: int) -> tuple[str, int]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError) as error:
        raise ProcessLookupError(pid) from error
    # The second field is the program's name in brackets and may itself hold spaces and brackets.
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[19])


def boot_id() -> str:
    """Return the kernel's name for this boot; processes of another boot are all gone."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def end(process: ProcessId, *, grace_seconds: float) -> None:
    """End a process: SIGTERM, and SIGKILL after the grace; returns when it is gone."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        # Checked after the descriptor is open: from here on it can only mean this process.
        if process.is_alive():
            _end_by_descriptor(descriptor, grace_seconds=grace_seconds)
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)


def _end_by_descriptor(descriptor: int, *, grace_seconds: float) -> None:
    if grace_seconds > 0:
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        if _wait_for_end(descriptor, grace_seconds):
            return
    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    _wait_for_end(descriptor, KILL_SECONDS)


def _wait_for_end(descriptor: int, timeout_seconds: float) -> bool:
    poller = select.poll()
    poller.register(descriptor, select.POLLIN)
    return bool(poller.poll(timeout_seconds * 1000))
