"""A NetworkPolicy that somebody opened further is not as we mean it; one that the server stored is."""

import copy
from typing import Any

import pytest

from genmodel_operator.kube.apply import differences, is_applied
from genmodel_operator.resources.network import build_network_policies
from genmodel_operator.settings import Settings
from tests.builders import a_model

ALLOWED = {"access": {"allowFrom": [{"podSelector": {"matchLabels": {"app": "chat"}}}]}}


def desired(*, fetches: bool = True) -> dict[str, Any]:
    (policy,) = build_network_policies(a_model(**ALLOWED), Settings(), servers_fetch=fetches, jobs_fetch=False)
    return policy


def test_as_the_server_stores_it() -> None:
    stored = copy.deepcopy(desired(fetches=False))
    del stored["spec"]["egress"]
    assert is_applied(stored, desired(fetches=False))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(("ingress", 0, "from", 0, "namespaceSelector"), {}, id="the pods of all namespaces"),
        pytest.param(("ingress", 0, "from", 0, "podSelector"), {}, id="all pods"),
        pytest.param(("ingress", 0, "from", 0, "podSelector", "matchLabels"), {"app": "x"}, id="other pods"),
        pytest.param(("ingress", 0, "ports", 0, "endPort"), 9000, id="a range of ports"),
        pytest.param(("ingress", 0, "ports"), [{"port": 8000, "protocol": "TCP"}, {"port": 22}], id="a port more"),
        pytest.param(("ingress", 0, "from"), [], id="everybody"),
        pytest.param(("ingress",), [{}], id="everything in"),
        pytest.param(("egress",), [{}], id="everything out"),
        pytest.param(("policyTypes",), ["Ingress"], id="no policy of the way out"),
        pytest.param(("podSelector", "matchExpressions"), [{"key": "x", "operator": "Exists"}], id="fewer pods"),
    ],
)
@pytest.mark.parametrize("fetches", [True, False], ids=["with a way out", "with none"])
def test_what_opens_it_is_seen(fetches: bool, path: tuple[Any, ...], value: Any) -> None:
    live = copy.deepcopy(desired(fetches=fetches))
    inner = live["spec"]
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    assert differences(live, desired(fetches=fetches))
