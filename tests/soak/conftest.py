"""A control plane with room for two hundred models, once for all long tests."""

from collections.abc import Iterator

import pytest

from tests.cluster import Cluster
from tests.leftovers import Leftovers
from tests.operator_world import OperatorWorld, operator_at_work

NODES = 26
LARGE = {"nvidia.com/gpu": "8", "cpu": "96", "memory": "768Gi", "pods": "110"}


@pytest.fixture(scope="session")
def world(
    control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory, leftovers: Leftovers
) -> Iterator[OperatorWorld]:
    """Yield the operator at work, with the local Hub and 208 fake L4."""
    with operator_at_work(control_plane, tmp_path_factory.mktemp("world"), nodes=NODES, allocatable=LARGE) as found:
        leftovers.keep(*(f"node/{name}" for name in found.nodes))
        yield found


@pytest.fixture
def team(world: OperatorWorld) -> Iterator[str]:
    """Yield a namespace of the test's own."""
    with world.namespace() as name:
        yield name
