"""Every rule of the CRD on the real API server: one object that keeps it, one that breaks it."""

import json
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.crd_cluster import install_crd, try_apply
from tests.crd_samples import SAMPLES, RuleSample, manifest

pytestmark = pytest.mark.apiserver


@pytest.fixture(scope="module")
def api(control_plane: Cluster) -> Cluster:
    install_crd(control_plane)
    return control_plane


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.id)
def test_an_object_that_keeps_the_rule_is_accepted(api: Cluster, sample: RuleSample) -> None:
    answer = try_apply(api, sample.keeps)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.id)
def test_an_object_that_breaks_the_rule_is_refused_with_field_and_message(api: Cluster, sample: RuleSample) -> None:
    answer = try_apply(api, sample.breaks)
    assert answer.returncode == 1
    assert f"{sample.field or sample.path.removeprefix('.')}: Invalid value:" in answer.stderr
    assert sample.message in answer.stderr
    assert "some validation rules were not checked" not in answer.stderr


@pytest.mark.parametrize(
    ("document", "want_message"),
    [
        pytest.param(manifest(modle="a/b"), 'strict decoding error: unknown field "spec.modle"', id="a misspelt field"),
        pytest.param(
            manifest(context={"maxModelLength": 4096}),
            'strict decoding error: unknown field "spec.context.maxModelLength"',
            id="a misspelt field inside",
        ),
        pytest.param(
            manifest(model=""),
            'spec.model: Invalid value: "": must be org/name as on the Hub, '
            "for example mistralai/Mistral-7B-Instruct-v0.3",
            id="an empty model",
        ),
        pytest.param(
            manifest(model="mistral"),
            'spec.model: Invalid value: "mistral": must be org/name as on the Hub',
            id="a model without organisation",
        ),
        pytest.param(
            manifest(model="https://huggingface.co/a/b"), "must be org/name as on the Hub", id="an address as model"
        ),
        pytest.param(manifest(model="datasets/a/b"), "must be org/name as on the Hub", id="a path of three parts"),
        pytest.param({**manifest(), "spec": {}}, "spec.model: Required value", id="no model"),
        pytest.param(
            manifest("Mistral"),
            'metadata.name: Invalid value: "Mistral": a lowercase RFC 1123 subdomain',
            id="a name in capitals",
        ),
        pytest.param(
            manifest("mistral.v1"), "metadata.name must be a DNS-1035 label of at most 52 characters", id="a dot"
        ),
        pytest.param(
            manifest("7b"), "metadata.name must be a DNS-1035 label of at most 52 characters", id="a digit first"
        ),
        pytest.param(
            manifest("m" * 53),
            "metadata.name must be a DNS-1035 label of at most 52 characters",
            id="a name that is too long",
        ),
        pytest.param(
            manifest(task="Chat"),
            'spec.task: Unsupported value: "Chat": supported values: "Auto", "Generate", "Embed"',
            id="an unknown task",
        ),
        pytest.param(
            manifest(context={"maxModelLen": 3}),
            "spec.context.maxModelLen: Invalid value: 3: "
            "spec.context.maxModelLen in body should be greater than or equal to 16",
            id="a context of no use",
        ),
        pytest.param(manifest(replicas=-1), "spec.replicas: Invalid value: -1", id="fewer than no replicas"),
        pytest.param(
            manifest(engine={"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}),
            'spec.engine.env[1]: Duplicate value: {"name":"A"}',
            id="a variable twice",
        ),
        pytest.param(
            manifest(accelerator={"products": ["NVIDIA-L4", "NVIDIA-L4"]}),
            'spec.accelerator.products[1]: Duplicate value: "NVIDIA-L4"',
            id="a product twice",
        ),
        pytest.param(
            manifest(source={"hub": {"tokenSecretRef": {"value": "hf_secret"}}}),
            'unknown field "spec.source.hub.tokenSecretRef.value"',
            id="a token written into the object",
        ),
    ],
)
def test_bad_input_is_refused_by_kubectl_with_the_field(
    api: Cluster, document: dict[str, Any], want_message: str
) -> None:
    answer = try_apply(api, document)
    assert answer.returncode == 1
    assert want_message in answer.stderr


@pytest.mark.parametrize(
    ("document", "want_message"),
    [
        pytest.param(manifest("wrong", modle="a/b"), 'unknown field "spec.modle"', id="a misspelt field"),
        pytest.param(manifest("wrong", model=""), "must be org/name as on the Hub", id="an empty model"),
        pytest.param(manifest("wrong", model="mistral"), "must be org/name as on the Hub", id="a malformed model"),
    ],
)
def test_what_kubectl_refuses_is_not_there(api: Cluster, document: dict[str, Any], want_message: str) -> None:
    answer = api.run(["kubectl", "apply", "-f", "-"], input=json.dumps(document), check=False)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert want_message in answer.stderr
    for look in ("get", "describe"):
        seen = api.run(["kubectl", look, "gm", "wrong"], check=False)
        assert (seen.returncode, seen.stdout) == (1, "")
        assert 'generativemodels.genmodel.dev "wrong" not found' in seen.stderr


def test_six_lines_are_enough_and_show_the_contract_defaults(api: Cluster) -> None:
    answer = try_apply(api, manifest(model="a/b"))
    assert json.loads(answer.stdout)["spec"] == {
        "model": "a/b",
        "revision": "main",
        "updatePolicy": "Pinned",
        "task": "Auto",
        "precision": "Auto",
        "kvCachePrecision": "Auto",
        "context": {"concurrency": 1},
        "accelerator": {"kind": "Auto", "policy": "Cheapest"},
        "trust": {"remoteCode": False},
        "replicas": 1,
        "suspend": False,
    }


def test_defaults_appear_beside_what_the_user_set(api: Cluster) -> None:
    answer = try_apply(api, manifest(context={"maxModelLen": 4096}, source={"hub": {"tokenSecretRef": {"name": "t"}}}))
    spec = json.loads(answer.stdout)["spec"]
    assert spec["context"] == {"maxModelLen": 4096, "concurrency": 1}
    assert spec["source"] == {"hub": {"tokenSecretRef": {"name": "t", "key": "token"}}}


def test_null_is_the_same_as_absent(api: Cluster) -> None:
    answer = try_apply(api, manifest(model="a/b", accelerator={"count": None}, revision=None))
    spec = json.loads(answer.stdout)["spec"]
    assert spec["accelerator"] == {"kind": "Auto", "policy": "Cheapest"}
    assert spec["revision"] == "main"
