"""What the guard adds to a request and to each chunk of a stream: the same server with and without it, in turns."""

import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.cluster.images import vllm_site_packages
from tests.cluster.images.site_packages import site_packages_env

ROOT = Path(__file__).parent.parent
SERVER = Path(__file__).parent / "guard_server.py"
REQUESTS = 4000
STREAMS = 60
CHUNKS = 2000
KEYS = 20
WARM_UP = 200
MESSAGES = [{"role": "user", "content": "Tell me about the fox and the grapes. " * 25}] * 2
"""About 2 KB, a short conversation."""
CHAT = json.dumps({"model": "m", "messages": MESSAGES, "n": 1}).encode()
STREAM = json.dumps({"model": "m", "messages": MESSAGES, "stream": True, "max_tokens": CHUNKS}).encode()
HEADERS = {"Authorization": "Bearer key-7", "Content-Type": "application/json"}
TARGETS_MS = {"request": 0.3, "chunk": 0.05}

Timed = Callable[[http.client.HTTPConnection], float]


def measure() -> dict[str, dict[str, str]]:
    """Return the medians with and without the guard, and what the guard adds, in milliseconds."""
    with TemporaryDirectory(prefix="genmodel-bench-") as name, serving(Path(name)) as (bare, guarded):
        in_turns(bare, guarded, request_ms, WARM_UP)
        requests = in_turns(bare, guarded, request_ms, REQUESTS)
        chunks = in_turns(bare, guarded, chunk_ms, STREAMS)
    return {"request": row(*requests, "request"), "chunk of a stream": row(*chunks, "chunk")}


@contextmanager
def serving(folder: Path) -> Iterator[tuple[int, int]]:
    """Yield the ports of the server, bare and guarded, the latter with some API keys."""
    keys = folder / "keys"
    keys.mkdir()
    for number in range(KEYS):
        (keys / f"team-{number}").write_text(f"key-{number}")
    env = {**os.environ, **site_packages_env(folder)}
    env |= {"PYTHONPATH": f"{ROOT / 'runtime'}{os.pathsep}{vllm_site_packages()}", "GENMODEL_TASK": "Generate"}
    env |= {"GENMODEL_ACCESS": "ApiKeys", "GENMODEL_KEYS_DIR": str(keys)}
    with closing(socket.create_server(("127.0.0.1", 0))) as one, closing(socket.create_server(("127.0.0.1", 0))) as two:
        descriptors = (one.fileno(), two.fileno())
        command = [sys.executable, str(SERVER), *map(str, descriptors)]
        server = subprocess.Popen(command, env=env, cwd=folder, pass_fds=descriptors, stdout=subprocess.DEVNULL)
        try:
            yield one.getsockname()[1], two.getsockname()[1]
        finally:
            server.kill()
            server.wait()


def in_turns(bare: int, guarded: int, timed: Timed, rounds: int) -> tuple[list[float], list[float]]:
    """Return times of both ports, taken one after the other: what disturbs the machine disturbs both."""
    found: tuple[list[float], list[float]] = ([], [])
    with (
        closing(http.client.HTTPConnection("127.0.0.1", bare, timeout=60)) as first,
        closing(http.client.HTTPConnection("127.0.0.1", guarded, timeout=60)) as second,
    ):
        for number in range(rounds):
            # Who comes first changes, so that neither is always the one that finds warm caches.
            for index in (0, 1) if number % 2 else (1, 0):
                found[index].append(timed((first, second)[index]))
    return found


def request_ms(connection: http.client.HTTPConnection) -> float:
    """Return the time of one request, in milliseconds."""
    return _exchange(connection, CHAT)


def chunk_ms(connection: http.client.HTTPConnection) -> float:
    """Return the time of one chunk of a long stream, in milliseconds."""
    return _exchange(connection, STREAM) / CHUNKS


def _exchange(connection: http.client.HTTPConnection, body: bytes) -> float:
    started = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", body, HEADERS)
    with connection.getresponse() as response:
        answer = response.read()
    took = time.perf_counter() - started
    if response.status != 200:
        raise RuntimeError(f"the server answered {response.status}: {answer[:300]!r}")
    return took * 1000


def row(bare: list[float], guarded: list[float], target: str) -> dict[str, str]:
    """Return one row of the results."""
    without, with_guard = statistics.median(bare), statistics.median(guarded)
    return {
        "bare, p50": f"{without:.4f} ms",
        "guarded, p50": f"{with_guard:.4f} ms",
        "added": f"{with_guard - without:.4f} ms",
        "at most": f"{TARGETS_MS[target]} ms",
        "measurements of each": str(len(bare)),
    }
