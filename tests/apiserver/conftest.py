"""One operator on one control plane for all tests of this folder that look at models."""

from collections.abc import Iterator

import pytest

from tests.cluster import Cluster
from tests.operator_world import L4_LABELS, ROOT, OperatorWorld


@pytest.fixture(scope="session")
def world(control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorWorld]:
    """Yield the operator at work, with the local Hub and two fake nodes of eight L4 each."""
    control_plane.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    control_plane.add_kwok_nodes(2, prefix="l4", labels=L4_LABELS, allocatable={"nvidia.com/gpu": "8"})
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
