"""A stand-in for vLLM's server that fails on demand, for faults that the real one cannot be told to have.

Run as ``python -m vllm.entrypoints.openai.api_server`` from a folder made by ``install``, it prints
the log of a real start, listens, and answers the routes that the runtime and its clients use.
``--fake JSON`` says how it misbehaves, see ``Behaviour``; ``POST /_fake JSON`` changes it later.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from genmodel_runtime.traffic import FOLDER_VARIABLE, ServerTraffic

START_LOG = Path(__file__).parent.parent / "unit/runtime/data/vllm-0.32.0-cpu-start.txt"
KILLED_LOG = Path(__file__).parent.parent / "unit/runtime/data/vllm-0.32.0-engine-core-killed.txt"


@dataclass(frozen=True)
class Behaviour:
    """How the engine misbehaves; the defaults are a healthy engine.

    ``lines`` are printed instead of the start's log and end the process with ``exit_code``.
    ``stop_after`` prints that many lines of the start's log and then does nothing for ever.
    ``refuse`` answers that many real requests with 500 first. ``hang`` makes no step any more,
    ``silent`` answers nothing at all, ``die`` ends as vLLM does when a process of it was killed.
    ``orphan`` names a file for the id of a child process that survives everything but SIGKILL.
    """

    lines: tuple[str, ...] = ()
    exit_code: int = 0
    stop_after: int | None = None
    start_seconds: float = 0.0
    refuse: int = 0
    hang: bool = False
    silent: bool = False
    die: bool = False
    ignore_sigterm: bool = False
    orphan: str = ""
    token_seconds: float = 0.02
    no_metrics: bool = False


def install(folder: Path) -> Path:
    """Make a package ``vllm`` in ``folder`` whose server is this engine; return the folder."""
    module = folder / "vllm/entrypoints/openai"
    module.mkdir(parents=True)
    for package in (folder / "vllm", folder / "vllm/entrypoints", module):
        (package / "__init__.py").touch()
    (module / "api_server.py").write_text(
        f"import runpy\n\nrunpy.run_path({str(Path(__file__).resolve())!r}, run_name='__main__')\n"
    )
    return folder


class Engine:
    """The engine's load and its misbehaviour."""

    def __init__(self, served_names: list[str], behaviour: Behaviour) -> None:
        self.served_names = served_names
        self.behaviour = behaviour
        self.lock = threading.Lock()
        self.running = 0
        self.iterations = 0
        self._page = ""
        # What the runtime's middleware does in the real server.
        self._traffic = ServerTraffic(Path(os.environ[FOLDER_VARIABLE]))

    @contextmanager
    def counted(self) -> Iterator[None]:
        with self.lock:
            self._traffic.begin()
        try:
            yield
        finally:
            with self.lock:
                self._traffic.end()

    def is_closing(self) -> bool:
        return self._traffic.is_closing()

    def tokens(self, count: int) -> Iterator[str]:
        """Generate: one step each ``token_seconds``, none while it hangs."""
        with self.lock:
            self.running += 1
        try:
            for number in range(count):
                time.sleep(self.behaviour.token_seconds)
                while self.behaviour.hang:
                    time.sleep(0.05)
                with self.lock:
                    self.iterations += 1
                yield f"word{number} "
        finally:
            with self.lock:
                self.running -= 1

    def metrics(self) -> str:
        if self.behaviour.no_metrics:
            return "python_info 1.0\n"
        if not self.behaviour.hang or not self._page:
            # The server shows what the engine told it last: a hang freezes the figures.
            self._page = self._current_page()
        return self._page

    def _current_page(self) -> str:
        labels = f'{{engine="0",model_name="{self.served_names[0]}"}}'
        with self.lock:
            return (
                f"# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{labels} {self.running}.0\n"
                f"# TYPE vllm:num_requests_waiting gauge\nvllm:num_requests_waiting{labels} 0.0\n"
                "# TYPE vllm:iteration_tokens_total histogram\n"
                f"vllm:iteration_tokens_total_count{labels} {self.iterations}.0\n"
            )

    def takes_request(self) -> bool:
        with self.lock:
            refused = self.behaviour.refuse > 0
            self.behaviour = replace(self.behaviour, refuse=max(0, self.behaviour.refuse - 1))
        return not refused


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: Engine

    def do_GET(self) -> None:
        self._wait_while_silent()
        match self.path:
            case "/v1/models":
                self._json(200, {"object": "list", "data": [{"id": name} for name in self.engine.served_names]})
            case "/metrics":
                self._send(200, "text/plain", self.engine.metrics().encode())
            case "/version":
                self._json(200, {"version": "0.32.0"})
            case _:
                self._json(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        if self.path == "/_fake":
            self.engine.behaviour = replace(self.engine.behaviour, **self._body())
            self._json(200, {})
            return
        self._wait_while_silent()
        with self.engine.counted():
            self._answer(self._body())

    def _body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        return body

    def _answer(self, body: dict[str, Any]) -> None:
        if not self.engine.takes_request():
            self._json(500, {"error": {"message": "cannot answer yet", "type": "InternalServerError", "code": 500}})
        elif self.path == "/v1/embeddings":
            self._json(200, {"data": [{"embedding": [0.0]} for _ in self.engine.tokens(1)]})
        elif self.path == "/v1/completions":
            self._complete(body)
        else:
            self._json(404, {"detail": "Not Found"})

    def _complete(self, body: dict[str, Any]) -> None:
        tokens = self.engine.tokens(body["max_tokens"])
        if not body.get("stream"):
            self._json(200, {"choices": [{"text": "".join(tokens), "finish_reason": "length"}]})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        if self.engine.is_closing():
            self.send_header("Connection", "close")
        self.end_headers()
        for token in tokens:
            self._chunk(f"data: {json.dumps({'choices': [{'text': token}]})}\n\n".encode())
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _wait_while_silent(self) -> None:
        while self.engine.behaviour.silent:
            time.sleep(0.05)

    def _json(self, status: int, document: object) -> None:
        self._send(status, "application/json", json.dumps(document).encode())

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if self.engine.is_closing():
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, template: str, *args: object) -> None:
        print(f"INFO:     {self.address_string()} - {template % args}", flush=True)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing about clients that went away."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="api_server.py")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--served-model-name", nargs="+", default=["tiny"])
    parser.add_argument("--middleware", action="append")
    parser.add_argument("--fake", type=json.loads, default={})
    arguments = parser.parse_args()
    behaviour = Behaviour(**arguments.fake)
    signal.signal(signal.SIGTERM, signal.SIG_IGN if behaviour.ignore_sigterm else lambda *_: os._exit(0))
    if behaviour.orphan:
        start_orphan(Path(behaviour.orphan))
    if behaviour.lines:
        print("\n".join(behaviour.lines), flush=True)
        return behaviour.exit_code
    for line in START_LOG.read_text().splitlines()[: behaviour.stop_after]:
        print(line, flush=True)
    if behaviour.stop_after is not None:
        while True:
            time.sleep(1)
    time.sleep(behaviour.start_seconds)
    return serve(arguments.port, Engine(arguments.served_model_name, behaviour))


def serve(port: int, engine: Engine) -> int:
    handler = type("Bound", (Handler,), {"engine": engine})
    server = Server(("127.0.0.1", port), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    while not engine.behaviour.die:
        time.sleep(0.02)
    print(KILLED_LOG.read_text(), flush=True)
    return engine.behaviour.exit_code


def start_orphan(pid_file: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", code])
    pid_file.write_text(str(child.pid))


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
