"""Our objects on a real API server: admitted as restricted, stored as written, no write where nothing changed."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from genmodel_operator.api import labels
from genmodel_operator.kube.apply import is_applied
from genmodel_operator.resources.hashing import with_desired_hash
from genmodel_operator.resources.revision import build_controller_revision, revision_from_object
from tests.builders import a_model
from tests.cluster import Cluster

pytestmark = pytest.mark.apiserver

NAMESPACE = "rendered"
LEVEL = "pod-security.kubernetes.io"
GOLDEN = Path(__file__).parents[1] / "golden"


def golden_objects() -> Iterator[Any]:
    """Yield the golden objects, without the owner that does not exist here."""
    for name in ("gpu", "cpu", "claim", "source", "closed"):
        for found in yaml.safe_load_all((GOLDEN / f"{name}.yaml").read_text()):
            found["metadata"].pop("ownerReferences", None)
            found["metadata"]["namespace"] = NAMESPACE
            yield pytest.param(found, id=f"{found['kind']} of the {name} plan")


OBJECTS = list(golden_objects())


def of_kind(*kinds: str) -> list[Any]:
    return [found for found in OBJECTS if found.values[0]["kind"] in kinds]


@pytest.fixture(scope="module")
def api(control_plane: Cluster) -> Iterator[Cluster]:
    strict = {f"{LEVEL}/enforce": "restricted", f"{LEVEL}/warn": "restricted"}
    control_plane.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": strict}},
    )
    yield control_plane
    control_plane.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def applied(api: Cluster, wanted: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Apply as the operator does; return the stored object and the server's warnings."""
    command = ["kubectl", "apply", "--server-side", "--field-manager=genmodel-operator", "--validate=strict"]
    answer = api.run([*command, "-o", "json", "-f", "-"], input=json.dumps(wanted))
    return json.loads(answer.stdout), answer.stderr


def differences(wanted: Any, live: Any, path: str = "") -> Iterator[str]:
    """Yield the path of each value that did not come back as it was written."""
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        for key, value in wanted.items():
            # Rules of a policy that has none: said, so that one which somebody adds is seen, and not stored.
            if value != [] or key in live:
                yield from differences(value, live.get(key, "absent"), f"{path}.{key}")
    elif isinstance(wanted, list) and isinstance(live, list) and len(wanted) == len(live):
        for index, value in enumerate(wanted):
            yield from differences(value, live[index], f"{path}[{index}]")
    elif wanted != live:
        yield f"{path}: {wanted!r} came back as {live!r}"


@pytest.mark.parametrize("wanted", OBJECTS)
def test_every_value_comes_back_as_written(api: Cluster, wanted: dict[str, Any]) -> None:
    live, warnings = applied(api, wanted)
    assert warnings == ""
    assert list(differences(wanted, live)) == []
    assert is_applied(live, wanted)


@pytest.mark.parametrize("wanted", of_kind("ControllerRevision"))
def test_a_restarted_operator_finds_nothing_to_write(api: Cluster, wanted: dict[str, Any]) -> None:
    live, _ = applied(api, wanted)
    revision = revision_from_object(live)
    assert revision == revision_from_object(wanted)
    model = a_model(metadata={"name": wanted["metadata"]["labels"][labels.MODEL], "namespace": NAMESPACE})
    rebuilt = with_desired_hash(build_controller_revision(model, revision))
    assert rebuilt["metadata"]["annotations"].keys() == live["metadata"]["annotations"].keys()
    assert list(differences(rebuilt["data"], live["data"])) == []
    assert rebuilt["metadata"]["annotations"][labels.PLAN] == live["metadata"]["annotations"][labels.PLAN]


@pytest.mark.parametrize("wanted", of_kind("Deployment"))
def test_applying_again_makes_no_new_generation(api: Cluster, wanted: dict[str, Any]) -> None:
    first, _ = applied(api, wanted)
    second, _ = applied(api, wanted)
    assert second["metadata"]["generation"] == first["metadata"]["generation"] == 1


@pytest.mark.parametrize("wanted", of_kind("Deployment", "Job"))
def test_the_pods_are_admitted_as_restricted(api: Cluster, wanted: dict[str, Any]) -> None:
    template = wanted["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] = {**template["metadata"], "name": f"pod-{wanted['metadata']['name']}", "namespace": NAMESPACE}
    answer = api.run(["kubectl", "apply", "--server-side", "--dry-run=server", "-f", "-"], input=json.dumps(pod))
    assert "serverside-applied" in answer.stdout
    assert answer.stderr == ""


def test_restricted_is_enforced_here(api: Cluster) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "root", "namespace": NAMESPACE},
        "spec": {"containers": [{"name": "c", "image": "c"}]},
    }
    command = ["kubectl", "apply", "--server-side", "--dry-run=server", "-f", "-"]
    answer = api.run(command, input=json.dumps(pod), check=False)
    assert 'violates PodSecurity "restricted' in answer.stderr
