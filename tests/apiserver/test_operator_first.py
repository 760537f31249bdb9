"""The operator is there before its definition: it waits and says so, and then serves, on a control plane of its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import Cluster, Environment
from tests.crd_cluster import install_crd
from tests.operator_world import L4_LABELS, OperatorWorld

pytestmark = pytest.mark.apiserver
SIX_LINES = """\
apiVersion: genmodel.dev/v1alpha1
kind: GenerativeModel
metadata:
  name: tiny
spec:
  model: acme/tiny-llama
"""


@pytest.fixture
def world(environment: Environment, tmp_path: Path) -> Iterator[OperatorWorld]:
    """Yield a Hub and an operator on a control plane that has no definition of models."""
    if environment.no_control_plane:
        pytest.skip(environment.no_control_plane)
    with Cluster(f"first-{os.getpid()}") as cluster:
        cluster.add_kwok_nodes(1, prefix="l4", labels=L4_LABELS, allocatable={"nvidia.com/gpu": "8"})
        found = OperatorWorld(cluster, tmp_path)
        found.start_hub()
        found.start_operator(wait=False)
        yield found
        found.assert_ends_in_order()
        found.stop_hub()


def test_six_lines_are_served_once_the_definition_is_there(world: OperatorWorld) -> None:
    world.until(
        lambda: "generativemodels.genmodel.dev with version v1alpha1 is not installed" in str(world.readiness()),
        lambda: f"the operator says what it waits for: {world.readiness()}, {world.operator_log()[-2000:]}",
    )
    assert world.readiness()["ready"] is False

    install_crd(world.cluster)

    world.until(lambda: bool(world.readiness()["ready"]), lambda: f"it is ready: {world.readiness()}")
    world.cluster.kubectl("-n", "default", "apply", "-f", "-", input=SIX_LINES)
    seen = world.assert_shown(
        "default",
        "tiny",
        reason="Serving",
        words=("1 of 1 replicas answer at http://tiny.default.svc/v1", "1 x NVIDIA L4 per replica"),
        event="Normal Serving",
        row={"READY": "True", "MODEL": "acme/tiny-llama", "REPLICAS": "1/1", "ACCELERATOR": "1 x NVIDIA L4"},
    )
    assert seen.warnings == []
