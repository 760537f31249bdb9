"""Starts that the real vLLM refuses within seconds: each is told with its reason and the word that decides."""

import socket
from pathlib import Path

import pytest

from tests.engine_failures import QUICK, Refusal, cases, check

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]


@pytest.mark.parametrize("refusal", cases(QUICK))
def test_a_start_that_is_refused(refusal: Refusal, tmp_path: Path, site_packages: Path) -> None:
    check(refusal, tmp_path, site_packages)


def test_a_port_that_is_taken(tmp_path: Path, site_packages: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        check(
            Refusal("a port that is taken", "EngineEnvironment", ("the engine's port is in use",)),
            tmp_path,
            site_packages,
            port=taken.getsockname()[1],
        )
