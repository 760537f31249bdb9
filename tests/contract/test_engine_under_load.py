"""The real vLLM under more load than it can bear, and slow for other reasons: it is left in peace."""

import os
from collections.abc import Iterator
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


@pytest.fixture
def server(tmp_path: Path, site_packages: Path) -> Iterator[Server]:
    """Yield a server that runs few requests at once, with little patience for it."""
    model = write_model(tmp_path / "model", Refusal("none", "", ()))
    environ = {"GENMODEL_STALL_SECONDS": str(STALL_SECONDS)}
    with serving(
        tmp_path / "pod", site_packages, *ARGUMENTS, model=model, environ=environ, prefix=ON_ONE_PROCESSOR
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
