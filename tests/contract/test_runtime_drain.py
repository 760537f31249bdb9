"""The ``server`` container when its engine hangs or when it is asked to end, with a stand-in engine."""

import io
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from genmodel_runtime.settings import Overrides, serve_settings
from genmodel_runtime.supervise import Supervisor
from tests.fakes import engine
from tests.fakes.runtime_pod import ROOT, Pod, children, free_port, is_alive, pod_root, serve_environ, serving

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


def test_an_idle_engine_ends_right_after_the_propagation(tmp_path: Path) -> None:
    with serving(tmp_path, options=QUICK) as pod:
        pod.wait_until(pod.is_ready)
        pod.send(signal.SIGTERM)
        assert pod.wait(6) == 0


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
    assert "1 requests were running and the engine made no step for" in document["message"]
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


# In this process, with times that the pod does not let anybody change --------------------------------


def test_an_engine_that_ignores_its_end_is_killed(tmp_path: Path) -> None:
    image, port, orphan_file = engine.install(tmp_path / "image"), free_port(), tmp_path / "orphan"
    fake = f'{{"ignore_sigterm": true, "orphan": "{orphan_file}"}}'
    arguments = ("--port", str(port), "--served-model-name", "tiny", "--fake", fake)
    settings = serve_settings(
        serve_environ(), arguments, Overrides(root=pod_root(tmp_path / "pod"), engine_port=port, propagation_seconds=0)
    )
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'runtime'}{os.pathsep}{image}"}
    supervisor = Supervisor(replace(settings, teardown_seconds=0.5), environ=environ, output=io.BytesIO())
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(supervisor.run()))
    thread.start()
    deadline = time.monotonic() + 20
    while supervisor.routes()["/readyz"]().status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)

    supervisor.request_end()
    thread.join(20)

    assert codes == [0]
    assert not is_alive(int(orphan_file.read_text()))
