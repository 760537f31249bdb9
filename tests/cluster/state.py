"""What a run has started, on disk, so that any later process can see it and clean it up."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from tests.cluster.locks import file_lock
from tests.cluster.processes import ProcessId, boot_id

Role = Literal["component", "forwarder", "guest"]


@dataclass(frozen=True, slots=True)
class Started:
    """A process of the run. Guests may end whenever they like; the others may not."""

    name: str
    role: Role
    process: ProcessId
    log: str
    target: str = ""


@dataclass(slots=True)
class RunState:
    """The state of one run; `owner` is None when it was left running on purpose."""

    name: str
    boot: str = field(default_factory=boot_id)
    owner: ProcessId | None = None
    real_node: bool = False
    api_port: int = 0
    started: list[Started] = field(default_factory=list)
    sysctls: dict[str, str] = field(default_factory=dict)
    made_folders: list[str] = field(default_factory=list)

    def is_of_this_boot(self) -> bool:
        """Return whether the processes named here can exist at all."""
        return self.boot == boot_id()

    def alive(self) -> list[Started]:
        """Return the started processes that still run."""
        return [one for one in self.started if one.process.is_alive()] if self.is_of_this_boot() else []

    def is_abandoned(self) -> bool:
        """Return whether nobody looks after this run any more."""
        if not self.is_of_this_boot():
            return True
        return not self.owner.is_alive() if self.owner else not self.alive()


def read_state(path: Path) -> RunState | None:
    """Return the state in the file; None when there is none."""
    try:
        raw = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    raw["owner"] = ProcessId(**raw["owner"]) if raw["owner"] else None
    raw["started"] = [Started(**{**one, "process": ProcessId(**one["process"])}) for one in raw["started"]]
    return RunState(**raw)


def write_state(path: Path, state: RunState) -> None:
    """Replace the file at once, so that a crash leaves the old or the new one."""
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(asdict(state), indent=1))
    fresh.replace(path)


@contextmanager
def changed_state(path: Path) -> Iterator[RunState]:
    """Read the state, let the block change it, write it back; safe between processes and threads."""
    with file_lock(path.with_suffix(".lock"), what="changing the cluster's state", timeout_seconds=60):
        state = read_state(path)
        if state is None:
            raise FileNotFoundError(path)
        yield state
        write_state(path, state)
