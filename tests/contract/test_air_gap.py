"""The operator's own calls with a mirror inside: nobody else is asked, not even for a name."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.addresses import noting, seen
from tests.fakes.hub import HubServer
from tests.fakes.hub_models import standard_repositories
from tests.fakes.hub_testing import SHARDED
from tests.fakes.runtime_pod import ROOT

PLAN = "from genmodel_operator.cli import main; import os, sys; sys.exit(main(sys.argv[1:], os.environ))"


@pytest.fixture
def hub() -> Iterator[HubServer]:
    with HubServer(standard_repositories()) as server:
        yield server


def test_a_plan_asks_the_mirror_only(hub: HubServer, tmp_path: Path) -> None:
    path = f"{tmp_path / 'notes'}:{ROOT / 'operator'}:{ROOT / 'runtime'}"
    environ = noting(tmp_path / "notes", {"HOME": str(tmp_path), "HF_ENDPOINT": hub.url, "PYTHONPATH": path})
    done = subprocess.run(
        [sys.executable, "-c", PLAN, "plan", SHARDED, "--gpu", "l4", "--count", "2"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ports = {url.rsplit(":", 1)[1] for url in (hub.url, hub.cdn_url)}
    assert seen(tmp_path / "notes") == {("127.0.0.1", port) for port in ports}
