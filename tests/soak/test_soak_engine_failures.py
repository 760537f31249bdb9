"""Starts that the real vLLM gives up late, and processes of it that die: each is told with its reason."""

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.engine_failures import FURTHER, SLOW, Refusal, cases, check, write_model
from tests.real_engine import serving

pytestmark = [pytest.mark.soak, pytest.mark.engine, pytest.mark.timeout(600)]


@pytest.mark.parametrize("refusal", cases((*FURTHER, *SLOW)))
def test_a_start_that_is_given_up(refusal: Refusal, tmp_path: Path, site_packages: Path) -> None:
    check(refusal, tmp_path, site_packages)


def test_a_port_that_is_taken(tmp_path: Path, site_packages: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        check(
            Refusal("a port that is taken", "EngineEnvironment", ("the engine's port is in use",)),
            tmp_path,
            site_packages,
            port=taken.getsockname()[1],
        )


@pytest.mark.parametrize(
    "title",
    [
        pytest.param("VLLM::Worker", id="a worker"),
        pytest.param("VLLM::EngineCore", id="the engine core"),
    ],
)
def test_a_process_that_is_killed_while_it_serves(title: str, tmp_path: Path, site_packages: Path) -> None:
    """vLLM itself ends with code 0 then, which would look like success."""
    model = write_model(tmp_path / "model", Refusal("none", "", ()))
    with serving(tmp_path / "pod", site_packages, "--enforce-eager", model=model) as server:
        server.wait_until_ready()
        processes = list(server.group())
        os.kill(server.process(title), signal.SIGKILL)
        assert server.pod.wait(120) == 22, server.pod.log
        document = server.pod.termination()
    assert (document["reason"], document["exitCode"]) == ("EngineDied", 22)
    assert "while serving" in document["message"]
    assert [pid for pid in processes if Path(f"/proc/{pid}").exists()] == []
