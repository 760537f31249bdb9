"""The runtime outside a pod: its folders below one root, its process, its pages."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genmodel_runtime.settings import PodPaths, PrepareSettings
from tests.fakes import engine
from tests.fakes.hub_store import Repository

ROOT = Path(__file__).parent.parent.parent


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def pod_root(folder: Path) -> Path:
    """A folder with what the kubelet makes in a pod."""
    (folder / "dev").mkdir(parents=True, exist_ok=True)
    (folder / "dev/termination-log").touch()
    return folder


def fetch_settings(root: Path, hub_url: str, repository: Repository, **changes: Any) -> PrepareSettings:
    """Settings of ``prepare`` with pauses short enough for a test."""
    wanted: dict[str, Any] = {
        "repository": repository.id,
        "commit": repository.refs["main"],
        "endpoint": hub_url,
        "paths": PodPaths.under(pod_root(root)),
        "port": 0,
        "first_pause_seconds": 0.02,
        "longest_pause_seconds": 0.1,
        "patience_seconds": 20,
    }
    return PrepareSettings(**(wanted | changes))


def prepare_environ(hub_url: str, repository: Repository, **more: str) -> dict[str, str]:
    """The environment of the ``prepare`` container."""
    return {
        "GENMODEL_CONTRACT": "1",
        "GENMODEL_REPOSITORY": repository.id,
        "GENMODEL_COMMIT": repository.refs["main"],
        "GENMODEL_ALLOW": "",
        "GENMODEL_EXPECTED_BYTES": "0",
        "HF_ENDPOINT": hub_url,
        **more,
    }


def serve_environ(**more: str) -> dict[str, str]:
    """The environment of the ``server`` container."""
    return {
        "GENMODEL_CONTRACT": "1",
        "GENMODEL_TASK": "Generate",
        "GENMODEL_ACCESS": "Open",
        "GENMODEL_SERVED_NAMES": "tiny,acme/tiny-llama",
        "GENMODEL_ENGINE": "vllm-cpu",
        "GENMODEL_STARTUP_SECONDS": "60",
        "GENMODEL_STALL_SECONDS": "60",
        "GENMODEL_DRAIN_SECONDS": "20",
        **more,
    }


@dataclass
class RuntimeProcess:
    """A running ``python -m genmodel_runtime``; its log is in ``log_path``."""

    process: subprocess.Popen[bytes]
    root: Path
    port: int
    log_path: Path

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of one page."""
        return http_get(self.port, path)

    def status(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.get("/status")[1])
        return answer

    def is_up(self) -> bool:
        """Whether the runtime's port takes connections."""
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", self.port)) == 0

    def is_ready(self) -> bool:
        with contextlib.suppress(OSError):
            return self.get("/readyz")[0] == 200
        return False

    def termination(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.termination_log())
        return document

    def termination_log(self) -> bytes:
        return (self.root / "dev/termination-log").read_bytes()

    def kill(self) -> None:
        """End the runtime and all its children, as a container's end does."""
        for child in [*children(self.process.pid), self.process.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
        self.process.wait()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = 30) -> int:
        return self.process.wait(seconds)

    def wait_until(self, condition: Callable[[], bool], *, seconds: float = 30) -> None:
        """Wait for a condition, shown with the log where it does not come true."""
        deadline = time.monotonic() + seconds
        while not condition():
            ended = self.process.poll()
            assert ended is None, f"ended with {ended}:\n{self.log}"
            assert time.monotonic() < deadline, f"not within {seconds} s:\n{self.log}"
            time.sleep(0.02)


def children(pid: int) -> list[int]:
    """Ids of the processes that a process started; each engine leads a group of its own."""
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def http_get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@contextmanager
def running(
    command: str,
    *arguments: str,
    root: Path,
    environ: Mapping[str, str],
    python_path: Sequence[Path] = (),
    runtime: Path = ROOT / "runtime",
    engine_args: Sequence[str] = (),
    prefix: Sequence[str] = (),
) -> Iterator[RuntimeProcess]:
    """Run one command of the runtime; killed with all its children at the end.

    ``prefix`` is a command that replaces itself by the one that follows it.
    """
    port, log_path = free_port(), pod_root(root) / "log.txt"
    path = os.pathsep.join(str(entry) for entry in (runtime, *python_path))
    argv = [sys.executable, "-m", "genmodel_runtime", command, "--root", str(root), "--port", str(port), *arguments]
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [*prefix, *argv, "--", *engine_args],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": path, **environ},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    started = RuntimeProcess(process, root, port, log_path)
    try:
        yield started
    finally:
        started.kill()


@dataclass
class Pod(RuntimeProcess):
    """A server container with the stand-in engine; ``engine_port`` is where clients talk to it."""

    engine_port: int = 0

    def stream(self, tokens: int) -> list[str]:
        """The words of a streamed answer; shorter than asked for where it was cut off."""
        document = {"model": "tiny", "prompt": "x", "max_tokens": tokens, "stream": True}
        with contextlib.suppress(http.client.HTTPException, OSError):
            lines = self.post("/v1/completions", document)[1].decode().splitlines()
            return [line.removeprefix("data: ") for line in lines if line]
        return []

    def fake(self, **behaviour: Any) -> None:
        # One that is told to die may do so before it has answered.
        with contextlib.suppress(http.client.HTTPException, ConnectionError):
            self.post("/_fake", behaviour)

    def post(self, path: str, document: object) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.engine_port, timeout=30)
        try:
            connection.request("POST", path, json.dumps(document), {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


@contextmanager
def serving(
    folder: Path, *, environ: dict[str, str] | None = None, options: tuple[str, ...] = (), **fake: Any
) -> Iterator[Pod]:
    port = free_port()
    engine_args = ("--port", str(port), "--served-model-name", "tiny", "acme/tiny-llama", "--fake", json.dumps(fake))
    with running(
        "serve",
        *("--engine-port", str(port), *options),
        root=folder / "pod",
        environ={**serve_environ(), **(environ or {})},
        python_path=[engine.install(folder / "image")],
        engine_args=engine_args,
    ) as process:
        yield Pod(**vars(process), engine_port=port)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
