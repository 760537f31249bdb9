"""A control plane with room for two hundred models, once for all long tests."""

from collections.abc import Iterator

import pytest

from tests.cluster import Cluster
from tests.operator_world import L4_LABELS, ROOT, OperatorWorld

NODES = 26
LARGE = {"nvidia.com/gpu": "8", "cpu": "96", "memory": "768Gi", "pods": "110"}


@pytest.fixture(scope="session")
def world(control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorWorld]:
    """Yield the operator at work, with the local Hub and 208 fake L4."""
    control_plane.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    control_plane.add_kwok_nodes(NODES, prefix="l4", labels=L4_LABELS, allocatable=LARGE)
    found = OperatorWorld(control_plane, tmp_path_factory.mktemp("world"))
    found.start_hub()
    found.start_operator()
    yield found
    assert found.stop_operator() == 0
    assert "Traceback" not in found.operator_log()
    found.stop_hub()


@pytest.fixture
def team(world: OperatorWorld) -> Iterator[str]:
    """Yield a namespace of the test's own."""
    with world.namespace() as name:
        yield name
