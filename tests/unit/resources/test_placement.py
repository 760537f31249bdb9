"""Whether pods would find nodes if others went."""

from decimal import Decimal
from typing import Any

import pytest

from genmodel_operator.resources.placement import Site, requests_of, room_is_made, takes

GPU = "nvidia.com/gpu"
TWO_GPUS: Any = {GPU: "2"}
GROUP = {"nvidia.com/gpu.product": "NVIDIA-L4"}
OWN: Any = {
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "nvidia.com/gpu.product", "operator": "In", "values": ["NVIDIA-L4"]}]}
                ]
            }
        }
    }
}


def a_node(labels: dict[str, str] | None = None, *, taints: Any = (), cordoned: bool = False, **offers: str) -> Any:
    allocatable = {"cpu": "8", "memory": "64Gi", "pods": "110", GPU: "1"} | offers
    spec = {"taints": list(taints)} | ({"unschedulable": True} if cordoned else {})
    return {
        "metadata": {"name": "n", "labels": GROUP if labels is None else labels},
        "spec": spec,
        "status": {"allocatable": allocatable},
    }


def wants(gpu: str = "1", cpu: str = "1", **spec: Any) -> dict[str, Any]:
    requests = {"cpu": cpu, "memory": "1Gi", **({GPU: gpu} if gpu != "0" else {})}
    return {"containers": [{"name": "server", "resources": {"requests": requests}}], **spec}


def a_pod(uid: str, spec: dict[str, Any], phase: str = "Running") -> dict[str, Any]:
    return {"metadata": {"uid": uid}, "spec": spec, "status": {"phase": phase}}


def site(*pods: dict[str, Any], node: Any = None) -> Site:
    return Site(node or a_node(), pods)


OLD = a_pod("old", wants())


@pytest.mark.parametrize(
    ("sites", "spec", "count", "want"),
    [
        pytest.param([site(OLD)], wants(), 1, True, id="the old one holds the only device"),
        pytest.param([site(a_pod("theirs", wants()))], wants(), 1, False, id="somebody else holds it"),
        pytest.param([site(OLD, node=a_node(**TWO_GPUS))], wants(), 1, False, id="it lacks no room"),
        pytest.param([site(OLD)], wants(gpu="2"), 1, False, id="one device is not enough"),
        pytest.param(
            [site(OLD, a_pod("theirs", wants()), node=a_node(**TWO_GPUS))],
            wants(gpu="2"),
            1,
            False,
            id="the other one is somebody else's",
        ),
        pytest.param(
            [site(OLD, node=a_node(**TWO_GPUS))], wants(gpu="2"), 1, True, id="its device and a free one are enough"
        ),
        pytest.param([site(OLD)], wants(), 2, False, id="two pods do not fit in the place of one"),
        pytest.param([site(OLD), site(a_pod("old2", wants()))], wants(), 2, True, id="two in the place of two"),
        pytest.param(
            [site(a_pod("old", wants(gpu="0", cpu="6")), node=a_node(cpu="8"))],
            wants(gpu="0", cpu="6"),
            1,
            True,
            id="cores",
        ),
        pytest.param(
            [site(a_pod("old", wants(gpu="0", cpu="1")), a_pod("theirs", wants(gpu="0", cpu="6")))],
            wants(gpu="0", cpu="4"),
            1,
            False,
            id="too few cores even then",
        ),
        pytest.param([site(OLD, node=a_node({"other": "x"}))], wants(**OWN), 1, False, id="nodes of another kind"),
        pytest.param([site(OLD, node=a_node(cordoned=True))], wants(), 1, False, id="the node is cordoned"),
        pytest.param([], wants(), 1, False, id="the old pods have no nodes"),
        pytest.param(
            [site(OLD, a_pod("over", wants(), phase="Succeeded"))], wants(), 1, True, id="who is over holds nothing"
        ),
        pytest.param([site(OLD, node=a_node(pods="1"))], wants(gpu="0"), 1, True, id="the number of pods"),
    ],
)
def test_room_is_made(sites: list[Site], spec: dict[str, Any], count: int, want: bool) -> None:
    assert room_is_made(sites, leaving={"old", "old2"}, spec=spec, count=count) == want


TAINT = {"key": "team", "value": "a", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("node", "spec", "want"),
    [
        pytest.param(a_node(), {}, True, id="anything goes anywhere"),
        pytest.param(a_node({"zone": "a"}), {"nodeSelector": {"zone": "a"}}, True, id="selector"),
        pytest.param(a_node({"zone": "b"}), {"nodeSelector": {"zone": "a"}}, False, id="another zone"),
        pytest.param(a_node(taints=[TAINT]), {}, False, id="a taint"),
        pytest.param(
            a_node(taints=[TAINT]), {"tolerations": [{"key": "team", "operator": "Exists"}]}, True, id="tolerated"
        ),
        pytest.param(
            a_node(taints=[TAINT]), {"tolerations": [{"key": "team", "value": "a"}]}, True, id="tolerated by value"
        ),
        pytest.param(
            a_node(taints=[TAINT]), {"tolerations": [{"key": "team", "value": "b"}]}, False, id="of another value"
        ),
        pytest.param(
            a_node(taints=[TAINT]),
            {"tolerations": [{"key": "team", "operator": "Exists", "effect": "NoExecute"}]},
            False,
            id="of another effect",
        ),
        pytest.param(
            a_node(taints=[TAINT]), {"tolerations": [{"operator": "Exists"}]}, True, id="everything tolerated"
        ),
        pytest.param(a_node(taints=[TAINT | {"effect": "PreferNoSchedule"}]), {}, True, id="a taint of taste"),
        pytest.param(a_node(), OWN, True, id="affinity"),
        pytest.param(a_node({}), OWN, False, id="without the label"),
    ],
)
def test_takes(node: Any, spec: dict[str, Any], want: bool) -> None:
    assert takes(node, spec) == want


@pytest.mark.parametrize(
    ("operator", "values", "want"),
    [
        pytest.param("In", ["4", "8"], True, id="in"),
        pytest.param("NotIn", ["8"], False, id="not in"),
        pytest.param("NotIn", ["4"], True, id="not in others"),
        pytest.param("Exists", [], True, id="exists"),
        pytest.param("DoesNotExist", [], False, id="does not exist"),
        pytest.param("Gt", ["7"], True, id="greater"),
        pytest.param("Lt", ["8"], False, id="not smaller"),
        pytest.param("Gt", ["x"], False, id="than no number"),
    ],
)
def test_operators_of_affinity(operator: str, values: list[str], want: bool) -> None:
    term = {"matchExpressions": [{"key": "gpus", "operator": operator, "values": values}]}
    rule = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    assert takes(a_node({"gpus": "8"}), {"affinity": {"nodeAffinity": rule}}) == want
    assert takes(a_node({}), {"affinity": {"nodeAffinity": rule}}) == (operator in ("NotIn", "DoesNotExist"))


def needs(cpu: str, **more: str) -> dict[str, Any]:
    return {"name": "c", "resources": {"requests": {"cpu": cpu}}, **more}


@pytest.mark.parametrize(
    ("spec", "want_cores"),
    [
        pytest.param({"containers": [needs("1"), needs("500m"), {"name": "none"}]}, "1.5", id="containers together"),
        pytest.param({"containers": [needs("1")], "initContainers": [needs("4"), needs("2")]}, "4", id="largest init"),
        pytest.param(
            {"containers": [needs("2")], "initContainers": [needs("1", restartPolicy="Always")]}, "3", id="a sidecar"
        ),
        pytest.param(
            {"containers": [needs("1")], "initContainers": [needs("1", restartPolicy="Always"), needs("4")]},
            "5",
            id="an init container beside a sidecar",
        ),
        pytest.param(
            {"containers": [needs("1")], "initContainers": [needs("4"), needs("1", restartPolicy="Always")]},
            "4",
            id="an init container before a sidecar",
        ),
        pytest.param({"containers": [needs("1")], "overhead": {"cpu": "100m"}}, "1.1", id="overhead"),
    ],
)
def test_requests_are_those_that_the_scheduler_counts(spec: dict[str, Any], want_cores: str) -> None:
    assert requests_of(spec) == {"pods": Decimal(1), "cpu": Decimal(want_cores)}
