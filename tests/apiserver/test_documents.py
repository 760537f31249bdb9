"""Every YAML of docs and examples on a real API server, as a dry run; the chart's values by real helm."""

import json
from pathlib import Path

import pytest

from tests.cluster import Cluster
from tests.crd_cluster import install_crd
from tests.documents import Document, documents
from tests.helm import Helm

pytestmark = pytest.mark.apiserver

SHOWN = list(documents())
VALUES = [document for document in SHOWN if document.is_values]
OBJECTS = [document for document in SHOWN if not document.is_values and not document.is_of_others]


@pytest.fixture(scope="module")
def api(control_plane: Cluster) -> Cluster:
    install_crd(control_plane)
    return control_plane


def refusal(api: Cluster, document: Document) -> str:
    options = ["--server-side", "--dry-run=server", "--validate=strict", "--field-manager=docs"]
    answer = api.run(
        ["kubectl", "-n", "default", "apply", *options, "-f", "-"],
        input=json.dumps(document.as_object()),
        check=False,
    )
    return f"{document.where}: {answer.stderr}" if answer.returncode or answer.stderr else ""


def test_every_object_is_accepted_without_a_warning(api: Cluster) -> None:
    assert [found for document in OBJECTS if (found := refusal(api, document))] == []


def test_a_misspelt_field_would_be_seen(api: Cluster) -> None:
    assert ".spec.modle: field not declared in schema" in refusal(api, _misspelt())


def _misspelt() -> Document:
    model = {"apiVersion": "genmodel.dev/v1alpha1", "kind": "GenerativeModel", "metadata": {"name": "x"}}
    return Document("here", {**model, "spec": {"modle": "a/b"}})


def test_all_values_fit_the_chart(control_plane: Cluster, tmp_path: Path) -> None:
    helm = Helm(control_plane, tmp_path)
    refused = [
        f"{document.where}: {answer.stderr}"
        for document in VALUES
        if (answer := helm.template(document.content)).returncode
    ]
    assert refused == []
    assert VALUES
