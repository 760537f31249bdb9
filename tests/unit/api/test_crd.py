from typing import Any

import kubernetes_validate
import pytest
import yaml

from genmodel_operator.api.crd import CRD_NAME, build_crd, root_schema, to_yaml
from genmodel_operator.api.structural import nodes, violations
from genmodel_operator.api.v1alpha1 import GenerativeModel, GenerativeModelStatus

CRD = build_crd()
VERSION = CRD["spec"]["versions"][0]
SCHEMA = dict(nodes(root_schema()))


def test_the_schema_is_structural() -> None:
    assert violations(root_schema()) == []


def test_the_definition_is_a_valid_object() -> None:
    kubernetes_validate.validate(CRD, "1.37", strict=True)


def test_names() -> None:
    names = CRD["spec"]["names"]
    assert CRD["metadata"]["name"] == CRD_NAME == "generativemodels.genmodel.dev"
    assert names["shortNames"] == ["gm"]
    assert names["categories"] == ["all", "ai"]
    assert CRD["spec"]["scope"] == "Namespaced"


def test_only_model_is_required() -> None:
    assert SCHEMA[""]["required"] == ["spec"]
    assert SCHEMA[".spec"]["required"] == ["model"]


@pytest.mark.parametrize(
    ("path", "want_default"),
    [
        pytest.param(".spec.revision", "main", id="revision"),
        pytest.param(".spec.updatePolicy", "Pinned", id="update policy"),
        pytest.param(".spec.task", "Auto", id="task"),
        pytest.param(".spec.precision", "Auto", id="precision"),
        pytest.param(".spec.kvCachePrecision", "Auto", id="precision of the cache"),
        pytest.param(".spec.replicas", 1, id="replicas"),
        pytest.param(".spec.suspend", False, id="suspend"),
        pytest.param(".spec.context", {}, id="context exists so that its own defaults apply"),
        pytest.param(".spec.context.concurrency", 1, id="concurrency"),
        pytest.param(".spec.accelerator", {}, id="accelerator exists so that its own defaults apply"),
        pytest.param(".spec.accelerator.kind", "Auto", id="kind"),
        pytest.param(".spec.accelerator.policy", "Cheapest", id="policy"),
        pytest.param(".spec.trust", {}, id="trust"),
        pytest.param(".spec.trust.remoteCode", False, id="code of a repository"),
        pytest.param(".spec.source.hub.tokenSecretRef.key", "token", id="key of the token"),
        pytest.param(".status", {"observedGeneration": -1}, id="status that nobody has written yet"),
        pytest.param(".spec.engine.env[].valueFrom.secretKeyRef.key", "token", id="key of a variable"),
    ],
)
def test_contract_defaults(path: str, want_default: Any) -> None:
    assert SCHEMA[path]["default"] == want_default


def test_there_are_no_other_defaults() -> None:
    assert sum("default" in node for node in SCHEMA.values()) == 17


def test_the_status_has_one_default_and_requires_only_what_keyed_lists_need() -> None:
    status = {path: node for path, node in SCHEMA.items() if path.startswith(".status")}
    assert [path for path, node in status.items() if "default" in node] == [".status"]
    assert [path for path, node in status.items() if "required" in node] == [".status.conditions[]"]


def test_conditions_merge_by_type() -> None:
    conditions = SCHEMA[".status.conditions"]
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]


def test_environment_variables_are_unique_by_name() -> None:
    env = SCHEMA[".spec.engine.env"]
    assert (env["x-kubernetes-list-type"], env["x-kubernetes-list-map-keys"]) == ("map", ["name"])


def test_subresources() -> None:
    assert VERSION["subresources"] == {
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
    }


def test_columns_of_kubectl_get() -> None:
    columns = VERSION["additionalPrinterColumns"]
    want_shown = ["Model", "Commit", "Accelerator", "Replicas", "Ready", "Reason", "URL", "Age"]
    assert [column["name"] for column in columns if not column.get("priority")] == want_shown
    assert [column["name"] for column in columns if column.get("priority")] == ["Precision", "Context", "Revision"]


@pytest.mark.parametrize("column", VERSION["additionalPrinterColumns"], ids=lambda column: column["name"])
def test_every_column_points_at_a_field(column: dict[str, Any]) -> None:
    path = column["jsonPath"].replace('[?(@.type=="Ready")]', "[]")
    assert path in SCHEMA or path == ".metadata.creationTimestamp"


@pytest.mark.parametrize("path", VERSION["subresources"]["scale"].values())
def test_the_scale_subresource_points_at_fields(path: str) -> None:
    assert path in SCHEMA


def test_units_are_spelt_as_units() -> None:
    assert ".status.plan.memory.kvCacheGiB" in SCHEMA
    assert ".status.measured.weightsGiB" in SCHEMA


def test_the_yaml_is_the_definition_and_always_the_same() -> None:
    text = to_yaml(build_crd())
    assert text == to_yaml(build_crd())
    assert yaml.safe_load(text) == CRD
    assert text.startswith("# Generated from ")
    assert "&id" not in text


def test_a_stored_object_with_unknown_fields_is_still_read() -> None:
    stored = {
        "metadata": {"name": "mistral", "namespace": "a", "uid": "1", "managedFields": []},
        "spec": {"model": "a/b", "autoscaling": {"max": 3}},
        "status": {"later": 1},
    }
    model = GenerativeModel.model_validate(stored)
    assert model.spec.model == "a/b"
    assert model.status == GenerativeModelStatus()
