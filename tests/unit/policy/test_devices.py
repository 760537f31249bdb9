"""How many devices a Deployment has, and how many replicas a limit leaves room for."""

from typing import Any

import pytest

from genmodel_operator.policy.devices import devices_of, replicas_granted


def a_deployment(replicas: int | None, **limits: Any) -> dict[str, Any]:
    containers = [{"name": "server", "resources": {"limits": {"memory": "1Gi", **limits}}}, {"name": "sidecar"}]
    spec: dict[str, Any] = {"template": {"spec": {"containers": containers}}}
    return {"spec": spec if replicas is None else spec | {"replicas": replicas}}


@pytest.mark.parametrize(
    ("deployment", "want"),
    [
        pytest.param(a_deployment(3, **{"nvidia.com/gpu": "2"}), 6, id="three of two"),
        pytest.param(a_deployment(1, **{"amd.com/gpu": 4}), 4, id="AMD, as a number"),
        pytest.param(a_deployment(2, **{"nvidia.com/mig-1g.10gb": "1"}), 2, id="slices"),
        pytest.param(a_deployment(0, **{"nvidia.com/gpu": "2"}), 0, id="suspended"),
        pytest.param(a_deployment(None, **{"nvidia.com/gpu": "2"}), 2, id="one by default"),
        pytest.param(a_deployment(2, **{"rdma/hca": "1"}), 0, id="a resource that is no accelerator"),
        pytest.param(a_deployment(2), 0, id="CPU"),
        pytest.param({}, 0, id="nothing to read"),
    ],
)
def test_devices_of_a_deployment(deployment: dict[str, Any], want: int) -> None:
    assert devices_of(deployment) == want


@pytest.mark.parametrize(
    ("limit", "used", "count", "desired", "running", "want"),
    [
        pytest.param(8, 0, 2, 1, 0, 1, id="room enough"),
        pytest.param(8, 0, 2, 4, 0, 4, id="exactly all"),
        pytest.param(8, 4, 2, 4, 0, 2, id="room for some"),
        pytest.param(8, 7, 2, 1, 0, 0, id="half a replica is none"),
        pytest.param(8, 9, 2, 1, 0, 0, id="others have too many already"),
        pytest.param(0, 0, 1, 1, 0, 0, id="no devices at all"),
        pytest.param(2, 0, 2, 3, 3, 3, id="what runs stays when the limit falls"),
        pytest.param(2, 0, 2, 5, 3, 3, id="but gets no more"),
        pytest.param(2, 0, 2, 1, 3, 1, id="and may become less"),
        pytest.param(8, 0, 2, 0, 2, 0, id="nothing wanted"),
    ],
)
def test_replicas_within_a_limit(limit: int, used: int, count: int, desired: int, running: int, want: int) -> None:
    found = replicas_granted(limit=limit, used=used, count=count, desired=desired, running=running)
    assert found == want
