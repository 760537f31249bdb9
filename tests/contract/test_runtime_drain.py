"""The ``server`` container when its engine hangs or when it is asked to end, with a stand-in engine."""

import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.fakes.runtime_pod import Pod, children, is_alive, serving

QUICK = ("--propagation-seconds", "0.5")


@contextmanager
def in_background(pod: Pod, tokens: int) -> Iterator[Future[list[str]]]:
    """A streamed request that has begun."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(pod.stream, tokens)
        pod.wait_until(lambda: b"num_requests_running" in pod.get("/metrics")[1] and running(pod) > 0)
        yield answer


def running(pod: Pod) -> int:
    (line,) = [line for line in pod.get("/metrics")[1].splitlines() if line.startswith(b"vllm:num_requests_running{")]
    return int(float(line.split()[-1]))


def test_a_running_answer_is_finished(tmp_path: Path) -> None:
    with serving(tmp_path, options=QUICK) as pod:
        pod.wait_until(pod.is_ready)
        with in_background(pod, tokens=100) as answer:
            asked = time.monotonic()
            pod.send(signal.SIGTERM)
            pod.wait_until(lambda: not pod.is_ready())
            assert pod.status()["phase"] == "Draining"
            assert pod.get("/livez")[0] == 200
            assert b"the pod is ending" in pod.get("/readyz")[1]
            assert pod.wait(20) == 0
        assert time.monotonic() - asked > 0.5

    assert len(answer.result()) == 101
    assert answer.result()[-1] == "[DONE]"
    assert pod.termination_log() == b""


def test_new_requests_are_answered_while_endpoints_propagate(tmp_path: Path) -> None:
    with serving(tmp_path, options=("--propagation-seconds", "3")) as pod:
        pod.wait_until(pod.is_ready)
        pod.send(signal.SIGTERM)
        pod.wait_until(lambda: not pod.is_ready())
        assert pod.stream(3)[-1] == "[DONE]"
        pod.send(signal.SIGTERM)
        assert pod.wait(20) == 0


def test_answers_close_their_connections_from_the_first_moment(tmp_path: Path) -> None:
    with serving(tmp_path, options=("--propagation-seconds", "3")) as pod:
        pod.wait_until(pod.is_ready)
        with closing(http.client.HTTPConnection("127.0.0.1", pod.engine_port, timeout=10)) as client:
            assert connection_header(client) is None
            pod.send(signal.SIGTERM)
            pod.wait_until(lambda: not pod.is_ready())
            assert connection_header(client) == "close"
        assert pod.wait(20) == 0


def connection_header(client: http.client.HTTPConnection) -> str | None:
    document = {"model": "tiny", "prompt": "x", "max_tokens": 1}
    client.request("POST", "/v1/completions", json.dumps(document), {"Content-Type": "application/json"})
    with client.getresponse() as response:
        assert response.status == 200
        response.read()
        return response.headers["Connection"]


def test_a_connection_that_comes_again_after_a_long_answer_is_served(tmp_path: Path) -> None:
    """An answer that began before the drain does not close its connection; the client's next request does."""
    with serving(tmp_path, options=("--propagation-seconds", "2")) as pod:
        pod.wait_until(pod.is_ready)
        with closing(http.client.HTTPConnection("127.0.0.1", pod.engine_port, timeout=30)) as client:
            document = json.dumps({"model": "tiny", "prompt": "x", "max_tokens": 200, "stream": True})
            client.request("POST", "/v1/completions", document, {"Content-Type": "application/json"})
            with client.getresponse() as response:
                pod.send(signal.SIGTERM)
                assert response.headers["Connection"] is None
                assert response.read().endswith(b"data: [DONE]\n\n")
            time.sleep(1)
            assert connection_header(client) == "close"
        assert pod.wait(20) == 0


def test_an_idle_engine_ends_right_after_the_propagation(tmp_path: Path) -> None:
    orphan_file = tmp_path / "orphan"
    with serving(tmp_path, options=QUICK, ignore_sigterm=True, orphan=str(orphan_file)) as pod:
        pod.wait_until(pod.is_ready)
        pod.send(signal.SIGTERM)
        assert pod.wait(10) == 0
        assert not is_alive(int(orphan_file.read_text()))


def test_an_answer_that_takes_too_long_is_cut_off(tmp_path: Path) -> None:
    with serving(tmp_path, environ={"GENMODEL_DRAIN_SECONDS": "1"}, options=QUICK) as pod:
        pod.wait_until(pod.is_ready)
        with in_background(pod, tokens=3000) as answer:
            pod.send(signal.SIGTERM)
            assert pod.wait(10) == 0
        assert "requests are cut off after 1 s" in pod.log

    assert len(answer.result()) < 3000


def test_before_it_is_ready_the_engine_is_killed_at_once(tmp_path: Path) -> None:
    orphan_file = tmp_path / "orphan"
    with serving(tmp_path, stop_after=48, ignore_sigterm=True, orphan=str(orphan_file)) as pod:
        pod.wait_until(lambda: pod.is_up() and pod.status()["phase"] == "Loading")
        pod.send(signal.SIGTERM)
        assert pod.wait(10) == 0
        assert not is_alive(int(orphan_file.read_text()))
        assert pod.termination_log() == b""


def test_an_engine_that_dies_during_the_drain_is_a_failure(tmp_path: Path) -> None:
    with serving(tmp_path, options=("--propagation-seconds", "10")) as pod:
        pod.wait_until(pod.is_ready)
        pod.send(signal.SIGTERM)
        pod.wait_until(lambda: not pod.is_ready())
        pod.fake(die=True)
        assert pod.wait(10) == 22
        assert pod.termination()["reason"] == "EngineDied"


# Hangs -------------------------------------------------------------------------------------------


def test_an_engine_that_hangs_is_killed(tmp_path: Path) -> None:
    orphan_file = tmp_path / "orphan"
    with serving(tmp_path, environ={"GENMODEL_STALL_SECONDS": "2"}, orphan=str(orphan_file)) as pod:
        pod.wait_until(pod.is_ready)
        with in_background(pod, tokens=3000) as answer:
            began = time.monotonic()
            pod.fake(hang=True)
            assert pod.wait(20) == 23
            assert time.monotonic() - began >= 1.5
        document = pod.termination()

    assert (document["reason"], document["exitCode"]) == ("EngineHung", 23)
    assert "requests were waiting for the engine and it made no step for" in document["message"]
    assert not is_alive(int(orphan_file.read_text()))
    assert len(answer.result()) < 3000


def test_an_engine_that_answers_nothing_is_killed(tmp_path: Path) -> None:
    with serving(tmp_path, environ={"GENMODEL_STALL_SECONDS": "1"}) as pod:
        pod.wait_until(pod.is_ready)
        (child,) = children(pod.process.pid)
        os.kill(child, signal.SIGSTOP)
        assert pod.wait(60) == 23
        assert "has not answered" in pod.termination()["message"]


@pytest.mark.parametrize(
    "load",
    [
        pytest.param(lambda pod: pod.fake(token_seconds=0.7), id="slow but going on"),
        pytest.param(lambda pod: pod.fake(no_metrics=True), id="metrics of an unknown release"),
    ],
)
def test_an_engine_that_goes_on_is_left_alone(tmp_path: Path, load: Callable[[Pod], None]) -> None:
    with serving(tmp_path, environ={"GENMODEL_STALL_SECONDS": "2"}) as pod:
        pod.wait_until(pod.is_ready)
        with in_background(pod, tokens=3000):
            load(pod)
            time.sleep(5)
            assert pod.process.poll() is None
            assert pod.is_ready()
            pod.kill()


def test_a_hanging_engine_does_not_drain_for_ever(tmp_path: Path) -> None:
    with serving(tmp_path, environ={"GENMODEL_STALL_SECONDS": "2"}, options=QUICK) as pod:
        pod.wait_until(pod.is_ready)
        with in_background(pod, tokens=3000):
            pod.fake(hang=True)
            pod.send(signal.SIGTERM)
            assert pod.wait(20) == 23


def test_an_engine_that_hung_while_it_was_idle_is_killed(tmp_path: Path) -> None:
    """Its last figures show no request; those that came since are known by its HTTP server alone."""
    with serving(tmp_path, environ={"GENMODEL_STALL_SECONDS": "2"}) as pod:
        pod.wait_until(pod.is_ready)
        pod.fake(hang=True)
        time.sleep(3)
        assert pod.process.poll() is None
        with ThreadPoolExecutor(1) as pool:
            pool.submit(pod.stream, 3)
            assert pod.wait(20) == 23
        assert "requests were waiting for the engine" in pod.termination()["message"]


def test_a_client_that_takes_its_time_is_no_hang(tmp_path: Path) -> None:
    """The request is under way and the engine makes no step for it; asked something, it goes on at once."""
    with serving(tmp_path, environ={"GENMODEL_STALL_SECONDS": "2"}) as pod:
        pod.wait_until(pod.is_ready)
        with socket.create_connection(("127.0.0.1", pod.engine_port)) as client:
            client.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
            time.sleep(7)
            assert pod.process.poll() is None
            assert pod.is_ready()
        assert pod.log.count("POST /v1/completions") > 1
