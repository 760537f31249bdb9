"""One operator on one control plane for all tests of this folder that look at models."""

from collections.abc import Iterator

import pytest

from tests.cluster import Cluster
from tests.helm import Helm
from tests.leftovers import Leftovers
from tests.operator_world import OperatorWorld, operator_at_work


@pytest.fixture(scope="session")
def world(
    control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory, leftovers: Leftovers
) -> Iterator[OperatorWorld]:
    """Yield the operator at work, with the local Hub and two fake nodes of eight L4 each."""
    with operator_at_work(
        control_plane, tmp_path_factory.mktemp("world"), nodes=2, allocatable={"nvidia.com/gpu": "8"}
    ) as found:
        leftovers.keep(*(f"node/{name}" for name in found.nodes))
        yield found


@pytest.fixture
def team(world: OperatorWorld) -> Iterator[str]:
    """Yield a namespace of the test's own."""
    with world.namespace() as name:
        yield name


@pytest.fixture(scope="module")
def helm(control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Return real helm on the shared control plane."""
    return Helm(control_plane, tmp_path_factory.mktemp("helm"))
