"""What the tests on the shared node share: an engine takes most of a minute to start."""

from collections.abc import Iterator

import pytest

from examples.demo.steps import CHAT
from tests.cluster import Cluster
from tests.platform import Platform
from tests.standing_still import StandingStill, standing_still


@pytest.fixture(scope="session")
def fables(platform: Platform) -> Iterator[str]:
    """Yield the name of the chat model, from six lines and served, for tests that leave it as it is."""
    name = "fables"
    platform.wish(name, CHAT)
    platform.wait_for(name, "Serving")
    yield name
    platform.delete(name)


@pytest.fixture(scope="session")
def stuck(platform: Platform) -> Iterator[StandingStill]:
    """Yield a model whose engine was just stopped, or a while ago for the tests before."""
    if not isinstance(platform.cluster, Cluster):
        pytest.skip("the engine's process can be stopped on a node of our own only")
    with standing_still(platform, platform.cluster, "stuck") as found:
        yield found
