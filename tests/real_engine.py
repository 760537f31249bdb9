"""The ``server`` container with the real vLLM on CPU, outside a pod."""

import http.client
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.fakes.hub_models import LLAMA_CONFIG, a_repository, llama_files
from tests.fakes.runtime_pod import ROOT, RuntimeProcess, children, free_port, running, serve_environ

# Heads of 64: the engine's attention on CPU takes no smaller ones.
CONFIG = {**LLAMA_CONFIG, "hidden_size": 256, "head_dim": 64, "max_position_embeddings": 4096}
MODEL = a_repository("acme/tiny-llama", llama_files(CONFIG))
START_SECONDS = 300
ANSWER_SECONDS = 300
"""How long a client waits for the next byte: in a full queue beside other tests, minutes."""


class Server:
    """A server container with a real engine."""

    def __init__(self, pod: RuntimeProcess, port: int) -> None:
        self.pod, self.port = pod, port

    @property
    def engine_pid(self) -> int:
        """The engine's first process."""
        (pid,) = children(self.pod.process.pid)
        return pid

    def group(self) -> dict[int, str]:
        """The engine's processes and their titles."""
        found = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdigit() and (title := title_in_group(int(folder.name), self.engine_pid)):
                found[int(folder.name)] = title
        return found

    def process(self, title: str) -> int:
        """The engine's only process whose title begins so."""
        (pid,) = [pid for pid, found in self.group().items() if found.startswith(title)]
        return pid

    @contextmanager
    def asked(self, path: str, document: dict[str, Any]) -> Iterator[http.client.HTTPResponse]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)) as connection:
            connection.request("POST", path, json.dumps(document), {"Content-Type": "application/json"})
            with connection.getresponse() as response:
                yield response

    def wait_until_ready(self) -> None:
        self.pod.wait_until(self.pod.is_ready, seconds=START_SECONDS)

    def figures(self, name: str) -> list[float]:
        """A number of the engine's metrics page, none while the engine is too busy to answer."""
        page = self.pod.get("/metrics")[1].decode()
        return [float(line.split()[-1]) for line in page.splitlines() if line.startswith(f"{name}{{")]

    def figure(self, name: str) -> float:
        """The same of an engine that answers."""
        (found,) = self.figures(name)
        return found

    def stream(self, max_tokens: int, begun: threading.Event, prompt: str = "a") -> list[str]:
        """The events of a streamed answer; ``begun`` is set with the first."""
        document = {"model": "tiny", "prompt": prompt, "max_tokens": max_tokens, "ignore_eos": True, "stream": True}
        events = []
        with self.asked("/v1/completions", document) as response:
            while line := response.readline():
                if line.startswith(b"data: "):
                    events.append(line.decode().removeprefix("data: ").strip())
                    begun.set()
        return events


def title_in_group(pid: int, group: int) -> str:
    try:
        if os.getpgid(pid) != group:
            return ""
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


@contextmanager
def serving(
    root: Path,
    site_packages: Path,
    *arguments: str,
    model: Path | None = None,
    runtime: Path = ROOT / "runtime",
    port: int = 0,
    prefix: Sequence[str] = (),
    environ: Mapping[str, str | None] | None = None,
) -> Iterator[Server]:
    """Serve a folder with a model; that of ``prepare`` unless one is named. None unsets a variable.

    ``prefix`` is a command that runs the container's command, such as one that takes rights away.
    """
    port, home = port or free_port(), root / "home"
    home.mkdir(parents=True, exist_ok=True)
    folder = model or root / "models" / MODEL.refs["main"]
    wanted: dict[str, str | None] = {
        "GENMODEL_STARTUP_SECONDS": str(START_SECONDS),
        "HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        "VLLM_CACHE_ROOT": str(home / "vllm") if "HOME" not in (environ or {}) else None,
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        **(environ or {}),
    }
    with running(
        "serve",
        *("--engine-port", str(port), "--propagation-seconds", "1"),
        root=root,
        environ=serve_environ(**{name: value for name, value in wanted.items() if value is not None}),
        runtime=runtime,
        python_path=[site_packages],
        engine_args=[
            *("--model", str(folder), "--served-model-name", "tiny", MODEL.id),
            *("--host", "127.0.0.1", "--port", str(port), *arguments),
        ],
        prefix=prefix,
    ) as pod:
        yield Server(pod, port)
