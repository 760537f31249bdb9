"""The one way that processes start inside a cluster's network namespace."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.cluster.errors import ClusterError
from tests.cluster.folders import RunFolder
from tests.cluster.namespace import Namespace
from tests.cluster.processes import ProcessId
from tests.cluster.state import Role, Started, changed_state

PROXY_VARIABLES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})
REAP_SECONDS = 5.0
COLLECT_RARELY = "400"
"""For programs in Go: at four times what they hold, not at twice. Processors are short here, memory is not."""


class Launcher:
    """Starts processes in the namespace and notes them in the run's state, so that none is ever forgotten."""

    def __init__(self, folder: RunFolder, namespace: Namespace) -> None:
        self._folder = folder
        self._namespace = namespace
        self._children: list[subprocess.Popen[Any]] = []

    @property
    def kubeconfig(self) -> Path:
        """Return the kubeconfig that works inside the namespace."""
        return self._folder.config / "admin.kubeconfig"

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return this process's environment, fit for the namespace: its programs first, no proxies."""
        own = {name: value for name, value in os.environ.items() if name.lower() not in PROXY_VARIABLES}
        return {
            **own,
            "PATH": f"{self._folder.bin}{os.pathsep}{own.get('PATH', os.defpath)}",
            "KUBECONFIG": str(self.kubeconfig),
            # Clusters share an address: one's cached discovery would mislead the next.
            "KUBECACHEDIR": str(self._folder.root / "kubectl-cache"),
            "GOGC": own.get("GOGC", COLLECT_RARELY),
            **(extra or {}),
        }

    def popen(
        self,
        args: Sequence[str | Path],
        *,
        name: str | None = None,
        role: Role = "guest",
        target: str = "",
        env: Mapping[str, str] | None = None,
        log: Path | None = None,
        **options: Any,
    ) -> subprocess.Popen[Any]:
        """Start a process in the background; `log` takes its output, `env` is laid over the environment."""
        command = [str(arg) for arg in args]
        options.setdefault("stdin", subprocess.DEVNULL)
        # A Ctrl-C on the terminal is for us: we stop everything in order.
        options.setdefault("start_new_session", True)
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as output:
                return self._start(command, name, role, target, env, log, stdout=output, stderr=output, **options)
        return self._start(command, name, role, target, env, log, **options)

    def _start(
        self,
        command: list[str],
        name: str | None,
        role: Role,
        target: str,
        env: Mapping[str, str] | None,
        log: Path | None,
        **options: Any,
    ) -> subprocess.Popen[Any]:
        child = subprocess.Popen(self._namespace.entering(command), env=self.environment(env), **options)
        self._children.append(child)
        started = Started(
            name=name or Path(command[0]).name,
            role=role,
            process=ProcessId.of(child.pid),
            log=str(log or ""),
            target=target,
        )
        with changed_state(self._folder.state) as state:
            state.started = [one for one in state.started if one.role != "guest" or one.process.is_alive()]
            state.started.append(started)
        return child

    def run(
        self,
        args: Sequence[str | Path],
        *,
        input: str | None = None,  # noqa: A002 - named as in subprocess.run
        check: bool = True,
        timeout: float = 120.0,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a process to its end and return its output; ClusterError if it fails or takes too long."""
        command = [str(arg) for arg in args]
        shown = " ".join(command)
        try:
            done = subprocess.run(
                self._namespace.entering(command),
                input=input,
                stdin=subprocess.DEVNULL if input is None else None,
                env=self.environment(env),
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ClusterError(f"{shown}: no end after {timeout:.0f} s") from error
        if check and done.returncode:
            raise ClusterError(f"{shown} ended with {done.returncode}:\n{(done.stderr or done.stdout).strip()}")
        return done

    def reap(self) -> None:
        """Collect the exit codes of children that were ended."""
        for child in self._children:
            child.wait(timeout=REAP_SECONDS)
        self._children.clear()
