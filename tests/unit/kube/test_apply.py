import copy
from typing import Any

import pytest

from genmodel_operator.api import labels
from genmodel_operator.kube.apply import Ownership, as_applied, is_applied, is_as_created, ownership

UID, OLD_UID = "6f1f4ad0-7b5b-4d9e-9e27-6f6a3f7f5c11", "11111111-7b5b-4d9e-9e27-6f6a3f7f5c11"


def desired() -> dict[str, Any]:
    """A Deployment as our builders write it."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "mistral-0123456789",
            "namespace": "team-a",
            "labels": labels.child_labels("mistral"),
            "annotations": {labels.DESIRED_HASH: "a" * 64},
            "ownerReferences": [{"apiVersion": labels.API_VERSION, "kind": labels.KIND, "name": "mistral", "uid": UID}],
        },
        "spec": {
            "replicas": 1,
            "template": {
                "spec": {
                    "automountServiceAccountToken": False,
                    "nodeSelector": {},
                    "containers": [
                        {
                            "name": "server",
                            "image": "engine:1",
                            "args": ["--port", "8000"],
                            "env": [{"name": "HF_HUB_OFFLINE", "value": "1"}, {"name": "EMPTY", "value": ""}],
                            "ports": [{"name": "http", "containerPort": 8000}],
                            "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"gpu": "1"}},
                            "volumeMounts": [{"name": "models", "mountPath": "/models", "readOnly": False}],
                        }
                    ],
                    "tolerations": [
                        {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
                        {"key": "team", "operator": "Exists", "effect": ""},
                    ],
                    "volumes": [{"name": "models", "emptyDir": {"sizeLimit": "2Gi"}}, {"name": "tmp", "emptyDir": {}}],
                }
            },
        },
    }


def live() -> dict[str, Any]:
    """The same as the server stores it: defaults filled in, quantities rewritten, empty values left out."""
    stored = copy.deepcopy(desired())
    stored["metadata"] |= {"uid": "child", "resourceVersion": "7", "generation": 1, "managedFields": []}
    stored["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "1"
    stored["spec"] |= {"progressDeadlineSeconds": 600, "strategy": {"type": "RollingUpdate"}}
    pod = stored["spec"]["template"]["spec"]
    del pod["nodeSelector"]
    pod |= {"dnsPolicy": "ClusterFirst", "restartPolicy": "Always"}
    container = pod["containers"][0]
    container |= {"imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log"}
    container["ports"][0]["protocol"] = "TCP"
    container["resources"]["requests"] = {"cpu": "500m", "memory": "1Gi"}
    del container["env"][1]["value"]
    del pod["tolerations"][1]["effect"]
    del container["volumeMounts"][0]["readOnly"]
    stored["status"] = {"readyReplicas": 1}
    return stored


def at(obj: dict[str, Any], *path: str | int) -> Any:
    """The part of an object at a path."""
    part: Any = obj
    for step in path:
        part = part[step]
    return part


POD = ("spec", "template", "spec")
SERVER = (*POD, "containers", 0)


def test_what_the_server_stored_of_our_object_needs_no_write() -> None:
    assert is_applied(live(), desired())


def test_a_missing_object_needs_a_write() -> None:
    assert not is_applied(None, desired())


@pytest.mark.parametrize(
    ("path", "foreign"),
    [
        pytest.param(("metadata", "labels"), {"team": "x"}, id="a label"),
        pytest.param(("metadata", "annotations"), {"team": "x"}, id="an annotation"),
        pytest.param(POD, {"priorityClassName": "high"}, id="a field"),
        pytest.param((*SERVER, "resources", "limits"), {"ephemeral-storage": "1Gi"}, id="a resource"),
    ],
)
def test_fields_of_others_are_no_reason_to_write(path: tuple[str | int, ...], foreign: dict[str, Any]) -> None:
    found = live()
    at(found, *path).update(foreign)
    assert is_applied(found, desired())


@pytest.mark.parametrize(
    ("path", "foreign"),
    [
        pytest.param((*POD, "containers"), {"name": "istio-proxy", "image": "sidecar:1"}, id="a sidecar"),
        pytest.param((*SERVER, "env"), {"name": "INJECTED", "value": "1"}, id="a variable"),
        pytest.param((*POD, "volumes"), {"name": "injected", "emptyDir": {}}, id="a volume"),
        pytest.param((*SERVER, "volumeMounts"), {"name": "injected", "mountPath": "/x"}, id="a mount"),
        pytest.param((*SERVER, "ports"), {"containerPort": 9, "protocol": "TCP"}, id="a port"),
        pytest.param((*POD, "tolerations"), {"key": "x", "operator": "Exists"}, id="a toleration"),
        pytest.param(("metadata", "ownerReferences"), {"uid": "other", "kind": "Backup"}, id="an owner"),
    ],
)
@pytest.mark.parametrize("first", [pytest.param(True, id="before ours"), pytest.param(False, id="after ours")])
def test_entries_that_others_add_are_no_reason_to_write(
    path: tuple[str | int, ...], foreign: dict[str, Any], first: bool
) -> None:
    found = live()
    at(found, *path).insert(0 if first else 99, foreign)
    assert is_applied(found, desired())


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        pytest.param(("spec",), "replicas", 3, id="replicas"),
        pytest.param(("metadata", "annotations"), labels.DESIRED_HASH, "b" * 64, id="the hash of another rendering"),
        pytest.param(("metadata", "labels"), labels.MODEL, "other", id="a label of ours"),
        pytest.param(SERVER, "image", "engine:2", id="the image"),
        pytest.param(SERVER, "args", ["--port", "9000"], id="an argument"),
        pytest.param(SERVER, "args", ["--port", "8000", "--more"], id="one argument more"),
        pytest.param(SERVER, "args", ["--port"], id="one argument less"),
        pytest.param((*SERVER, "env", 0), "value", "0", id="a variable's value"),
        pytest.param((*SERVER, "env", 1), "value", "x", id="a variable that we leave empty"),
        pytest.param((*SERVER, "resources", "requests"), "cpu", "501m", id="a request"),
        pytest.param((*SERVER, "volumeMounts", 0), "readOnly", True, id="a mount made read-only"),
        pytest.param((*SERVER, "ports", 0), "containerPort", 8001, id="a port's number"),
        pytest.param((*SERVER, "ports", 0), "protocol", "UDP", id="a port's protocol"),
        pytest.param(POD, "automountServiceAccountToken", True, id="a switch that we turned off"),
        pytest.param((*POD, "volumes", 1), "emptyDir", None, id="a volume without its kind"),
        pytest.param((*POD, "tolerations", 0), "effect", "NoExecute", id="a toleration's effect"),
        pytest.param(("metadata",), "ownerReferences", [], id="the owner reference"),
    ],
)
def test_a_changed_field_of_ours_needs_a_write(path: tuple[str | int, ...], field: str, value: Any) -> None:
    found = live()
    at(found, *path)[field] = value
    assert not is_applied(found, desired())


@pytest.mark.parametrize(
    ("path", "field"),
    [
        pytest.param(("metadata", "annotations"), labels.DESIRED_HASH, id="the hash"),
        pytest.param(POD, "automountServiceAccountToken", id="false where absent means true"),
        pytest.param((*POD, "volumes", 1), "emptyDir", id="an empty object that is a choice"),
        pytest.param(("spec",), "template", id="a whole section"),
        pytest.param((*SERVER, "resources"), "limits", id="limits"),
    ],
)
def test_a_field_of_ours_that_is_gone_needs_a_write(path: tuple[str | int, ...], field: str) -> None:
    found = live()
    del at(found, *path)[field]
    assert not is_applied(found, desired())


@pytest.mark.parametrize(
    ("live_value", "wanted", "want_same"),
    [
        pytest.param("2", "2000m", True, id="cores"),
        pytest.param("1Ti", "1024Gi", True, id="binary"),
        pytest.param("1G", "1Gi", False, id="decimal is not binary"),
        pytest.param("1e3", "1k", True, id="exponent"),
        pytest.param(1, "1", True, id="a number"),
        pytest.param("many", "1", False, id="no quantity"),
    ],
)
def test_quantities_are_compared_by_value(live_value: Any, wanted: str, want_same: bool) -> None:
    assert is_applied({"limits": {"x": live_value}}, {"limits": {"x": wanted}}) is want_same


def test_only_resources_are_quantities() -> None:
    assert not is_applied({"env": [{"name": "A", "value": "1000m"}]}, {"env": [{"name": "A", "value": "1"}]})


@pytest.mark.parametrize(
    ("live_value", "wanted", "want_same"),
    [
        pytest.param(True, 1, False, id="a switch is no number"),
        pytest.param(1, True, False, id="a number is no switch"),
        pytest.param(1.0, 1, True, id="numbers of any type"),
        pytest.param({"a": 1}, [1], False, id="an object is no list"),
        pytest.param([1], {"a": 1}, False, id="a list is no object"),
        pytest.param([{"weight": 1}], [{"weight": 1}], True, id="a list that is one value"),
        pytest.param([{"weight": 1}, {"weight": 2}], [{"weight": 1}], False, id="one value with an entry more"),
    ],
)
def test_values_are_compared_by_kind(live_value: Any, wanted: Any, want_same: bool) -> None:
    assert is_applied({"x": live_value}, {"x": wanted}) is want_same


def test_the_two_objects_are_not_changed() -> None:
    found, wanted = live(), desired()
    is_applied(found, wanted)
    assert (found, wanted) == (live(), desired())


# -- created, not yet applied

OURS_CREATED = {"manager": labels.FIELD_MANAGER, "operation": "Update", "fieldsV1": {"f:spec": {}}}
OURS_APPLIED = OURS_CREATED | {"operation": "Apply"}
OURS_STATUS = OURS_CREATED | {"subresource": "status"}
THEIRS = {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:metadata": {}}}


@pytest.mark.parametrize(
    ("entries", "want", "want_after"),
    [
        pytest.param([OURS_CREATED], True, [OURS_APPLIED], id="as we created it"),
        pytest.param([THEIRS, OURS_CREATED, OURS_STATUS], True, [THEIRS, OURS_APPLIED, OURS_STATUS], id="with others"),
        pytest.param([OURS_APPLIED], False, [OURS_APPLIED], id="applied"),
        pytest.param([OURS_STATUS], False, [OURS_STATUS], id="only its status is ours"),
        pytest.param([THEIRS], False, [THEIRS], id="somebody else's"),
        pytest.param([], False, [], id="nobody's"),
    ],
)
def test_what_we_created_counts_as_applied(entries: list[Any], want: bool, want_after: list[Any]) -> None:
    found = {"metadata": {"name": "mistral", "managedFields": entries}}
    assert is_as_created(found) is want
    assert as_applied(found) == want_after
    assert not is_as_created({"metadata": {"managedFields": as_applied(found)}})


# -- whose is it


def child(*owners: dict[str, Any], marked: str | None = None, manager: str = "", operation: str = "Apply") -> Any:
    return {
        "metadata": {
            "name": "mistral",
            "labels": labels.child_labels(marked) if marked else {"app": "x"},
            "ownerReferences": list(owners),
            "managedFields": [{"manager": manager, "operation": operation}] if manager else [],
        }
    }


def owner(name: str = "mistral", uid: str = UID, kind: str = labels.KIND, **fields: Any) -> dict[str, Any]:
    return {"apiVersion": labels.API_VERSION, "kind": kind, "name": name, "uid": uid, **fields}


@pytest.mark.parametrize(
    ("live", "want"),
    [
        pytest.param(child(owner()), Ownership.OURS, id="owned by this model"),
        pytest.param(child(owner(kind="Backup", uid="x"), owner()), Ownership.OURS, id="owned by it and another"),
        pytest.param(
            child(owner() | {"apiVersion": "genmodel.dev/v1"}), Ownership.OURS, id="owned by it in another version"
        ),
        pytest.param(child(owner(uid=OLD_UID)), Ownership.OLDER_OWNER, id="owned by an earlier one of its name"),
        pytest.param(
            child(owner(uid=OLD_UID), marked="mistral", manager=labels.FIELD_MANAGER),
            Ownership.OLDER_OWNER,
            id="owned by an earlier one, with our marks",
        ),
        pytest.param(
            child(marked="mistral", manager=labels.FIELD_MANAGER), Ownership.LOST_OWNER, id="our marks, no owner"
        ),
        pytest.param(
            child(owner(kind="Backup", uid="x"), marked="mistral", manager=labels.FIELD_MANAGER),
            Ownership.LOST_OWNER,
            id="our marks and an owner that does not control it",
        ),
        pytest.param(
            child(owner(kind="App", uid="x", controller=True), marked="mistral", manager=labels.FIELD_MANAGER),
            Ownership.FOREIGN,
            id="our marks, but controlled by another",
        ),
        pytest.param(
            child(owner("other", OLD_UID), marked="mistral", manager=labels.FIELD_MANAGER),
            Ownership.FOREIGN,
            id="our marks, but owned by a model of another name",
        ),
        pytest.param(
            child(marked="other", manager=labels.FIELD_MANAGER), Ownership.FOREIGN, id="marks of another model"
        ),
        pytest.param(child(marked="mistral", manager="kubectl"), Ownership.FOREIGN, id="our labels, copied by hand"),
        pytest.param(
            child(marked="mistral", manager=labels.FIELD_MANAGER, operation="Update"),
            Ownership.LOST_OWNER,
            id="our marks, as we created it",
        ),
        pytest.param(child(), Ownership.FOREIGN, id="no marks at all"),
        pytest.param({}, Ownership.FOREIGN, id="an empty object"),
    ],
)
def test_whose_an_object_is(live: dict[str, Any], want: Ownership) -> None:
    assert ownership(live, model_uid=UID, model_name="mistral") is want
