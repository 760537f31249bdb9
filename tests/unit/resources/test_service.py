"""The Service, names and owners."""

import pytest

from genmodel_operator.api import labels
from genmodel_operator.api.v1alpha1 import NAME_MAX_LENGTH
from genmodel_operator.resources.names import child_name, owner_reference, served_names, service_url
from genmodel_operator.resources.service import build_service
from tests.builders import A_UID, a_model


def test_the_service_selects_the_pods_of_one_revision() -> None:
    service = build_service(a_model(), "0123456789")
    assert service["metadata"]["name"] == "mistral"
    assert service["metadata"]["namespace"] == "team-a"
    assert service["spec"]["selector"] == {
        labels.MODEL: "mistral",
        labels.REVISION: "0123456789",
        labels.COMPONENT_KEY: labels.COMPONENT_SERVER,
    }
    assert service["spec"]["ports"] == [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}]


def test_without_a_revision_it_selects_no_pod() -> None:
    assert build_service(a_model(), None)["spec"]["selector"][labels.REVISION] == "none"


def test_the_model_owns_its_children() -> None:
    want = {
        "apiVersion": "genmodel.dev/v1alpha1",
        "kind": "GenerativeModel",
        "name": "mistral",
        "uid": A_UID,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    assert owner_reference(a_model()) == want
    assert build_service(a_model(), "a")["metadata"]["ownerReferences"] == [want]


def test_addresses_and_names() -> None:
    assert service_url("mistral", "team-a") == "http://mistral.team-a.svc/v1"
    assert child_name("mistral", "0123456789") == "mistral-0123456789"
    assert served_names(a_model(model="org/name")) == ("mistral", "org/name")


@pytest.mark.parametrize("length", [pytest.param(1, id="shortest"), pytest.param(NAME_MAX_LENGTH, id="longest")])
def test_every_allowed_name_gives_valid_labels_and_names(length: int) -> None:
    name = "m" * length
    assert len(child_name(name, "0" * 10)) <= 63
    model = a_model(metadata={"name": name})
    assert all(len(value) <= 63 for value in build_service(model, "0" * 10)["metadata"]["labels"].values())


def test_a_prometheus_that_follows_annotations_finds_the_pods_own_port() -> None:
    want = {"prometheus.io/scrape": "true", "prometheus.io/port": "8001", "prometheus.io/path": "/metrics"}
    for revision in (None, "a" * 10):
        assert build_service(a_model(), revision)["metadata"]["annotations"] == want
