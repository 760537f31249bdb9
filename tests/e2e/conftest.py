"""What the tests on the shared node share: an engine takes most of a minute to start."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.demo.steps import CHAT
from tests.cluster.progress import wait_until
from tests.measured import measured
from tests.platform import Platform
from tests.release import Release


@pytest.fixture(scope="session")
def fables(platform: Platform) -> Iterator[str]:
    """Yield the name of the chat model, from six lines and served, for tests that leave it as it is.

    What it measured is kept by then; later servers of the same model replace that.
    """
    name = "fables"
    platform.wish(name, CHAT)
    platform.wait_for(name, "Serving")
    wait_until("what it measured to be kept", lambda: _is_kept(platform, name), timeout_seconds=60)
    yield name
    platform.delete(name)


def _is_kept(platform: Platform, name: str) -> bool:
    status = platform.get("gm", name)["status"]
    own = {key: value for key, value in status.get("measured", {}).items() if key in ("kvTokens", "engineVersion")}
    return len(own) == 2 and any(own.items() <= kept.items() for kept in measured(platform, status["model"]["commit"]))


@pytest.fixture
def release(platform: Platform, tmp_path: Path) -> Iterator[Release]:
    """Yield the release; the tests that come after find it as it was."""
    found = Release(platform, tmp_path)
    yield found
    found.upgrade()
