"""A real node with the chart installed from real images and a local Hub, once for the whole run."""

import pytest

from tests.cluster import Cluster
from tests.conftest import showing_progress
from tests.platform import Platform, set_up


@pytest.fixture(scope="session")
def platform(real_node: Cluster, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """Return the platform; what takes long says how far it is."""
    with showing_progress(pytestconfig):
        return set_up(real_node, tmp_path_factory.mktemp("hub") / "hub.log")
