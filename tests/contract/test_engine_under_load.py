"""The real vLLM under more load than it can bear is left in peace; then it hangs, and is not."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.engine_failures import Refusal, write_model
from tests.real_engine import Server, serving
from tests.saturation import ARGUMENTS, CLIENTS, RUNNING_AT_ONCE, saturate

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

SECONDS = 180.0
STALL_SECONDS = 20
"""A sixth of what a pod allows: what holds here holds there."""
ON_ONE_PROCESSOR = ("taskset", "--cpu-list", str(min(os.sched_getaffinity(0))))
"""As much of the machine as is needed to have too little of it."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, site_packages: Path) -> Iterator[Server]:
    """Yield a server that runs few requests at once, with little patience for it; the last test ends it."""
    root = tmp_path_factory.mktemp("saturated")
    model = write_model(root / "model", Refusal("none", "", ()))
    environ = {"GENMODEL_STALL_SECONDS": str(STALL_SECONDS)}
    with serving(
        root / "pod", site_packages, *ARGUMENTS, model=model, environ=environ, prefix=ON_ONE_PROCESSOR
    ) as found:
        found.wait_until_ready()
        yield found


def test_a_saturated_engine_is_never_taken_for_one_that_hangs(server: Server) -> None:
    found = saturate(server, SECONDS)
    assert set(found.answers) == {"whole"}, server.pod.log
    assert found.answers["whole"] > CLIENTS
    assert found.not_ready == 0
    assert found.most_waiting > RUNNING_AT_ONCE
    assert server.pod.status()["phase"] == "Serving"


def test_a_core_that_hangs_is_told_and_nothing_of_the_engine_is_left(server: Server) -> None:
    processes = list(server.group())
    begun = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(server.stream, 3000, begun)
        assert begun.wait(60)
        os.kill(server.process("VLLM::EngineCore"), signal.SIGSTOP)
        stopped = time.monotonic()
        assert server.pod.wait(STALL_SECONDS + 60) == 23, server.pod.log
    assert STALL_SECONDS - 2 < time.monotonic() - stopped < STALL_SECONDS + 20
    document = server.pod.termination()

    assert (document["reason"], document["exitCode"]) == ("EngineHung", 23)
    assert "requests were waiting for the engine" in document["message"]
    assert [pid for pid in processes if Path(f"/proc/{pid}").exists()] == []
