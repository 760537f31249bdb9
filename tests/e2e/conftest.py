"""A real node with the chart installed from real images and a local Hub, once for the whole run."""

from collections.abc import Iterator

import pytest

from examples.demo.foreign import remove
from tests.cluster import Cluster, HostedCluster
from tests.conftest import showing_progress
from tests.platform import Platform, set_up, set_up_hosted


@pytest.fixture(scope="session")
def platform(
    real_node: Cluster | HostedCluster, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """Yield the platform; what takes long says how far it is. A cluster of other people gets it back as it was."""
    if isinstance(real_node, HostedCluster):
        with showing_progress(pytestconfig):
            made = set_up_hosted(real_node)
        yield made
        remove(real_node)
    else:
        with showing_progress(pytestconfig):
            made = set_up(real_node, tmp_path_factory.mktemp("hub") / "hub.log")
        yield made
