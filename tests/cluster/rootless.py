"""A network namespace without root: in a user namespace, held by a process that does nothing else.

Enough for a control plane with kwok; a real node needs root.
"""

import contextlib
import json
import os
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.namespace import furnish, members
from tests.cluster.processes import ProcessId, boot_id, end

ENTER = ["unshare", "--user", "--map-root-user", "--net", "--"]
START_SECONDS = 10.0


def user_namespaces_work() -> bool:
    """Return whether this system lets a plain user make namespaces; some forbid it."""
    try:
        return subprocess.run([*ENTER, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class UserNamespace:
    """A network namespace of a plain user; `note` is the file that says which process holds it."""

    note: Path

    def entering(self, args: list[str]) -> list[str]:
        """Return the command line that runs `args` inside, as root of the namespace only."""
        holder = self._holder()
        if holder is None:
            raise ClusterError(f"the namespace of {self.note.parent.name} is gone")
        return ["nsenter", f"--target={holder.pid}", "--user", "--net", "--preserve-credentials", "--", *args]

    def create(self) -> None:
        """Create the namespace with its bridge, its addresses and the route to the Services."""
        holder = subprocess.Popen(
            [*ENTER, "sleep", "infinity"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        process = ProcessId.of(holder.pid)
        self.note.write_text(json.dumps({**asdict(process), "boot": boot_id()}))
        own = Path("/proc/self/ns/net").stat().st_ino
        deadline = time.monotonic() + START_SECONDS
        while Path(f"/proc/{holder.pid}/comm").read_text() != "sleep\n" or self._file(process).stat().st_ino == own:
            if holder.poll() is not None or time.monotonic() > deadline:
                raise ClusterError("a plain user cannot make a network namespace here; use root")
            time.sleep(0.01)
        # It is ended by its number, like everything else of the run; this object shall not miss it.
        holder.returncode = 0
        furnish(self)

    def processes(self) -> list[ProcessId]:
        """Return all processes that live in it, but for this one and the holder."""
        holder = self._holder()
        return [one for one in members(self._file(holder)) if one != holder] if holder else []

    def delete(self) -> None:
        """Delete the namespace with all that is in it."""
        holder = self._holder()
        if holder:
            end(holder, grace_seconds=0)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(holder.pid, 0)

    def _holder(self) -> ProcessId | None:
        try:
            raw = json.loads(self.note.read_text())
        except FileNotFoundError:
            return None
        holder = ProcessId(pid=raw["pid"], start_ticks=raw["start_ticks"])
        return holder if raw["boot"] == boot_id() and holder.is_alive() else None

    def _file(self, holder: ProcessId) -> Path:
        return Path(f"/proc/{holder.pid}/ns/net")
