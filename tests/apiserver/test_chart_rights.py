"""What the chart's roles allow, and nothing more."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.helm import NAMESPACE, RELEASE, Helm, Objects

pytestmark = pytest.mark.apiserver

Grant = tuple[str, str, str]

POOL = {"name": "l4", "product": "NVIDIA-L4", "devices": 1, "labels": {"example.com/pool": "l4"}}
UNREAD: dict[str, Any] = {"inventory": {"mode": "pools"}, "policy": {"pools": [POOL]}}
VALUE_SETS = [
    pytest.param({}, id="the whole cluster"),
    pytest.param({"watchNamespaces": ["team-a", "team-b"]}, id="two namespaces"),
    pytest.param({"hub": {"tokenSecretNames": []}}, id="no tokens"),
    pytest.param({"replicas": 2}, id="two operators"),
    pytest.param(UNREAD, id="nodes are not read"),
    pytest.param(UNREAD | {"watchNamespaces": ["team-a"]}, id="one namespace, and nodes are not read"),
]
NAMESPACED: set[Grant] = {
    *{("genmodel.dev", "generativemodels", verb) for verb in ("get", "list", "watch")},
    ("genmodel.dev", "generativemodels/status", "patch"),
    ("genmodel.dev", "generativemodels/finalizers", "update"),
    *{
        (group, resource, verb)
        for group, resource in (
            ("apps", "deployments"),
            ("apps", "controllerrevisions"),
            ("policy", "poddisruptionbudgets"),
            ("networking.k8s.io", "networkpolicies"),
        )
        for verb in ("get", "list", "watch", "create", "patch", "delete")
    },
    *{("", "services", verb) for verb in ("get", "list", "watch", "create", "patch")},
    *{("batch", "jobs", verb) for verb in ("get", "list", "watch", "create", "delete")},
    *{("", "persistentvolumeclaims", verb) for verb in ("get", "list", "watch", "create", "patch")},
    *{("", "pods", verb) for verb in ("list", "watch")},
    *{("events.k8s.io", "events", verb) for verb in ("create", "list")},
    ("", "secrets", "get"),
    *{("monitoring.coreos.com", "podmonitors", verb) for verb in ("get", "list", "watch", "create", "patch")},
}
MEASUREMENTS: set[Grant] = {("", "configmaps", verb) for verb in ("get", "create", "patch")}
MEASUREMENTS_ROLE = f"{RELEASE}-measurements"
NODES: set[Grant] = {("", "nodes", verb) for verb in ("list", "watch")}
OWN_ROLE = f"{RELEASE}-own"
OWN: set[Grant] = {("events.k8s.io", "events", "create")}
LEASE: set[Grant] = {("coordination.k8s.io", "leases", verb) for verb in ("get", "update", "create")}


def rules(found: Objects) -> Iterator[dict[str, Any]]:
    for (kind, _), document in found.items():
        if kind in ("ClusterRole", "Role"):
            yield from document["rules"]


def grants(role: dict[str, Any]) -> set[Grant]:
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_rights_in_the_whole_cluster(helm: Helm) -> None:
    found = helm.objects()
    assert grants(found["ClusterRole", RELEASE]) == NAMESPACED | NODES
    assert [name for kind, name in found if kind == "Role"] == [MEASUREMENTS_ROLE]


def test_monitors_that_nobody_wants_are_no_right(helm: Helm) -> None:
    found = helm.objects({"metrics": {"podMonitor": {"enabled": False}}})
    assert not [rule for rule in rules(found) if "monitoring.coreos.com" in rule["apiGroups"]]


def test_rights_in_two_namespaces(helm: Helm) -> None:
    found = helm.objects({"watchNamespaces": ["team-a", "team-b"]})
    wanted = {f"team-a/{RELEASE}", f"team-b/{RELEASE}", OWN_ROLE, MEASUREMENTS_ROLE}
    assert {name for kind, name in found if kind == "Role"} == wanted
    assert grants(found["Role", f"team-a/{RELEASE}"]) == NAMESPACED
    assert grants(found["Role", OWN_ROLE]) == OWN, "what it tells of itself"
    assert [name for kind, name in found if kind == "ClusterRole"] == [f"{RELEASE}-nodes"]
    assert grants(found["ClusterRole", f"{RELEASE}-nodes"]) == NODES


def test_where_nodes_are_not_read_there_is_no_right_to(helm: Helm) -> None:
    assert grants(helm.objects(UNREAD)["ClusterRole", RELEASE]) == NAMESPACED
    found = helm.objects(UNREAD | {"watchNamespaces": ["team-a"], "crds": {"enabled": False}})
    assert [(kind, name) for kind, name in found if kind.startswith("Cluster")] == [], "nothing of the whole cluster"
    assert grants(found["Role", f"team-a/{RELEASE}"]) == NAMESPACED


def test_an_operator_that_serves_its_own_namespace_may_tell_of_itself_there(helm: Helm) -> None:
    found = helm.objects({"watchNamespaces": [NAMESPACE]})
    assert {name for kind, name in found if kind == "Role"} == {RELEASE, MEASUREMENTS_ROLE}
    assert grants(found["Role", RELEASE]) >= OWN


@pytest.mark.parametrize("values", VALUE_SETS)
def test_there_are_no_wildcards_and_no_ways_up(helm: Helm, values: dict[str, Any]) -> None:
    for rule in rules(helm.objects(values)):
        words = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
        assert not words & {"*", "escalate", "bind", "impersonate", "pods/exec", "clusterroles", "roles"}


@pytest.mark.parametrize("values", VALUE_SETS)
def test_secrets_are_read_by_name_only(helm: Helm, values: dict[str, Any]) -> None:
    names = values.get("hub", {}).get("tokenSecretNames", ["genmodel-hub-token"])
    found = [rule for rule in rules(helm.objects(values)) if "secrets" in rule["resources"]]
    assert all(rule["verbs"] == ["get"] and rule["resourceNames"] == names for rule in found)
    assert bool(found) == bool(names)


@pytest.mark.parametrize(
    ("values", "want_role", "want_name"),
    [
        pytest.param({}, MEASUREMENTS_ROLE, "genmodel-measurements", id="in the release's namespace"),
        pytest.param(
            {"measurements": {"configMap": "learnt", "namespace": "platform"}},
            f"platform/{MEASUREMENTS_ROLE}",
            "learnt",
            id="in another one",
        ),
    ],
)
def test_of_all_config_maps_only_the_measurements_are_touched(
    helm: Helm, values: dict[str, Any], want_role: str, want_name: str
) -> None:
    found = helm.objects(values)
    assert grants(found["Role", want_role]) == MEASUREMENTS
    touching = [rule for rule in rules(found) if "configmaps" in rule["resources"]]
    assert [rule["resourceNames"] for rule in touching] == [[want_name]]


@pytest.mark.parametrize("values", VALUE_SETS)
def test_every_binding_leads_to_a_role_and_to_the_service_account(helm: Helm, values: dict[str, Any]) -> None:
    found = helm.objects(values)
    for (kind, key), document in found.items():
        if kind.endswith("Binding"):
            prefix = key.removesuffix(document["metadata"]["name"])
            assert (document["roleRef"]["kind"], prefix + document["roleRef"]["name"]) in found
            assert [subject["name"] for subject in document["subjects"]] == [RELEASE]


@pytest.mark.parametrize(
    ("values", "want_role", "want_name"),
    [
        pytest.param({"replicas": 2}, f"{RELEASE}-lease", RELEASE, id="in the release's namespace"),
        pytest.param(
            {"replicas": 2, "fullnameOverride": "gm", "leaderElection": {"leaseNamespace": "platform"}},
            "platform/gm-lease",
            "gm",
            id="in another one",
        ),
    ],
)
def test_several_operators_may_hold_one_lease(
    helm: Helm, values: dict[str, Any], want_role: str, want_name: str
) -> None:
    role = helm.objects(values)["Role", want_role]
    assert grants(role) == LEASE
    named = [rule for rule in role["rules"] if "resourceNames" in rule]
    assert [(rule["resourceNames"], rule["verbs"]) for rule in named] == [([want_name], ["get", "update"])]


def test_a_single_operator_has_no_rights_on_leases(helm: Helm) -> None:
    assert not [rule for rule in rules(helm.objects()) if "leases" in rule["resources"]]


@pytest.mark.parametrize("values", VALUE_SETS)
def test_the_check_asks_for_exactly_what_is_granted(helm: Helm, values: dict[str, Any]) -> None:
    found = helm.objects(values)
    asked = yaml.safe_load(found["ConfigMap", f"{RELEASE}-check"]["data"]["rights.yaml"])
    granted = [
        (document["metadata"]["name"], document["metadata"].get("namespace"), document["rules"])
        for (kind, name), document in found.items()
        if kind in ("Role", "ClusterRole") and not name.endswith(("-view", "-edit"))
    ]
    assert sorted(granted, key=str) == sorted(
        ((grant["name"], grant.get("namespace"), grant["rules"]) for grant in asked), key=str
    )


def test_users_get_models_through_the_cluster_s_own_roles(helm: Helm) -> None:
    found = helm.objects()
    view, edit = found["ClusterRole", f"{RELEASE}-view"], found["ClusterRole", f"{RELEASE}-edit"]
    assert view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] == "true"
    assert {verb for _, _, verb in grants(view)} == {"get", "list", "watch"}
    assert ("genmodel.dev", "generativemodels/scale", "patch") in grants(edit)
    assert ("genmodel.dev", "generativemodels/status", "patch") not in grants(edit)
    assert ("ClusterRole", f"{RELEASE}-view") not in helm.objects({"rbac": {"aggregate": False}})
