"""What the operator knows of its own pod."""

from collections.abc import Mapping

import pytest

from genmodel_operator.kube.own_namespace import own_pod

POD = {"POD_NAME": "genmodel-1", "POD_NAMESPACE": "platform"}


def test_the_downward_api_tells() -> None:
    assert own_pod(POD | {"POD_UID": "u"}) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "genmodel-1", "namespace": "platform", "uid": "u"},
    }


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({}, id="outside a pod"),
        pytest.param({"POD_NAME": "genmodel-1"}, id="without a namespace"),
        pytest.param({"POD_NAMESPACE": "platform", "POD_NAME": ""}, id="without a name"),
    ],
)
def test_outside_a_pod_there_is_none(environ: Mapping[str, str]) -> None:
    assert own_pod(environ) is None
