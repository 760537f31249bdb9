"""The engine as a child process: its command, its output line by line, its end."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from genmodel_runtime import guard, traffic
from genmodel_runtime.failures import HISTORY_LINES
from genmodel_runtime.progress import split_lines
from genmodel_runtime.settings import ENGINE_MODULES, ServeSettings

_CHUNK_BYTES = 65536
_LONGEST_LINE_BYTES = 65536
_OOM_COUNTERS = (
    (Path("/sys/fs/cgroup/memory.events"), "oom_kill"),
    (Path("/sys/fs/cgroup/memory/memory.oom_control"), "oom_kill"),
)


def engine_command(settings: ServeSettings) -> list[str]:
    """Return the engine's whole command line, run by the interpreter that runs us.

    The middleware named last is the outermost, and sees what the others refuse, too.
    """
    module = ENGINE_MODULES[settings.engine]
    around = ["--middleware", guard.MIDDLEWARE, "--middleware", traffic.MIDDLEWARE]
    return [sys.executable, "-m", module, *settings.engine_args, *around]


class EngineProcess:
    """A running engine: the leader of a process group of its own.

    ``on_line`` is called for every line of its output, ``on_exit`` once with its exit status as
    ``subprocess`` reports it; both from threads. The output itself goes on to ``output``.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environ: Mapping[str, str],
        on_line: Callable[[str], None],
        on_exit: Callable[[int], None],
        output: IO[bytes],
    ) -> None:
        self._on_line, self._on_exit, self._output = on_line, on_exit, output
        self._history: deque[str] = deque(maxlen=HISTORY_LINES)
        self._history_lock = threading.Lock()
        # The group lets every process of the engine be ended, also those that lost their parent.
        self._process = subprocess.Popen(  # noqa: S603 - the engine's own command, no shell
            list(command),
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
        )
        self._pump = threading.Thread(target=self._pump_output, name="engine-output", daemon=True)
        self._waiter = threading.Thread(target=self._wait, name="engine-wait", daemon=True)
        self._pump.start()
        self._waiter.start()

    @property
    def pid(self) -> int:
        """Process id, which is also the id of the process group."""
        return self._process.pid

    def history(self) -> list[str]:
        """Return the last lines of the output, oldest first."""
        with self._history_lock:
            return list(self._history)

    def kill(self, *, wait_seconds: float = 10) -> bool:
        """Kill every process of the group; return whether all were gone within ``wait_seconds``."""
        deadline = time.monotonic() + wait_seconds
        while _signal_group(self.pid, signal.SIGKILL):
            if time.monotonic() >= deadline:
                return False
            _reap_group(self.pid, is_leader_reaped=self._process.returncode is not None)
            time.sleep(0.02)
        self._waiter.join(max(0.0, deadline - time.monotonic()))
        return not self._waiter.is_alive()

    def drain_output(self, *, wait_seconds: float = 2) -> None:
        """Wait until the output ended; an orphan that holds it open is not waited for longer."""
        self._pump.join(wait_seconds)

    def _wait(self) -> None:
        self._on_exit(self._process.wait())

    def _pump_output(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - PIPE was asked for
        rest = b""
        with self._process.stdout as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                lines, rest = split_lines(rest + chunk)
                if len(rest) > _LONGEST_LINE_BYTES:
                    lines, rest = [*lines, rest], b""
                self._pass_on(lines)
        self._pass_on([rest] if rest else [])

    def _pass_on(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            text = line.decode(errors="replace").rstrip("\r\n")
            with self._history_lock:
                self._history.append(text)
            self._on_line(text)
        if lines:
            self._output.write(b"".join(lines))
            self._output.flush()


def count_oom_kills() -> int:
    """Return how many processes of this container the kernel has killed for memory; 0 if unknown."""
    for path, key in _OOM_COUNTERS:
        try:
            fields = dict(line.split(maxsplit=1) for line in path.read_text().splitlines() if " " in line)
        except OSError:
            continue
        if fields.get(key, "").isdigit():
            return int(fields[key])
    return 0


def _signal_group(group: int, number: signal.Signals) -> bool:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


def _reap_group(group: int, *, is_leader_reaped: bool) -> None:
    # As process 1 of the container we inherit orphans of the group; unreaped they keep it alive.
    # The leader belongs to the thread that waits for it.
    if not is_leader_reaped:
        return
    try:
        while os.waitpid(-group, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return
