"""The operator's reader and the real runtime: the status document, and why an engine that warms up is not ready."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from genmodel_operator.controller.observe import HttpRuntimeReader
from tests.fakes.runtime_pod import Pod, free_port, serving


def read(port: int) -> dict[str, Any] | None:
    async def once() -> dict[str, Any] | None:
        reader = HttpRuntimeReader(port=port, timeout_seconds=5)
        try:
            return await reader.read("127.0.0.1")
        finally:
            await reader.close()

    return asyncio.run(once())


def phase(pod: Pod) -> str:
    return str((read(pod.port) or {}).get("phase"))


def test_an_engine_that_refuses_its_first_request_says_why_it_is_not_ready(tmp_path: Path) -> None:
    with serving(tmp_path, refuse=10_000) as pod:
        pod.wait_until(lambda: phase(pod) == "WarmingUp")
        pod.wait_until(lambda: "first request was refused" in str((read(pod.port) or {}).get("readiness")))
        found = read(pod.port)
    assert found is not None
    assert found["readiness"]["ready"] is False
    assert found["readiness"]["reason"] == "the first request was refused: 500 cannot answer yet"


def test_an_engine_that_serves_is_not_asked_twice(tmp_path: Path) -> None:
    with serving(tmp_path) as pod:
        pod.wait_until(lambda: phase(pod) == "Serving")
        assert "readiness" not in (read(pod.port) or {})


@pytest.mark.parametrize("port", [pytest.param(free_port(), id="nobody listens")])
def test_a_path_that_is_closed_is_no_error(port: int) -> None:
    assert read(port) is None
