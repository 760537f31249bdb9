"""What makes a revision, and what does not."""

from typing import Any

import pytest

from genmodel_operator.api import labels
from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.resources.revision import inputs_hash, inputs_of, revision_id
from tests.builders import A_COMMIT, a_model

PLAIN = a_model()


def hash_of(model: GenerativeModel, commit: str = A_COMMIT) -> str:
    return inputs_hash(inputs_of(model, commit))


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(a_model(replicas=7), id="replicas"),
        pytest.param(a_model(suspend=True), id="suspended"),
        pytest.param(a_model(revision="v0.3"), id="another name of the same commit"),
        pytest.param(a_model(task="Auto", precision="Auto"), id="defaults written out"),
        pytest.param(a_model(context={"concurrency": 1}), id="a nested default written out"),
        pytest.param(a_model(accelerator={"kind": "Auto", "policy": "Cheapest"}), id="an object of defaults"),
        pytest.param(a_model(engine={"args": [], "env": []}), id="empty lists"),
        pytest.param(a_model(source={}), id="an empty source"),
        pytest.param(a_model(source={"hub": {}}), id="an empty Hub"),
        pytest.param(a_model(metadata={"generation": 9, "annotations": {"note": "x"}}), id="other metadata"),
        pytest.param(a_model(metadata={"annotations": {labels.UPDATE: ""}}), id="an empty update annotation"),
        pytest.param(a_model(status={"replicas": 3}), id="status"),
        pytest.param(a_model(future={"field": 1}), id="a field of a later release"),
    ],
)
def test_the_same_revision(model: GenerativeModel) -> None:
    assert hash_of(model) == hash_of(PLAIN)


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"model": "org/other"}, id="model"),
        pytest.param({"task": "Embed"}, id="task"),
        pytest.param({"precision": "BFloat16"}, id="precision"),
        pytest.param({"context": {"maxModelLen": 4096}}, id="context"),
        pytest.param({"context": {"concurrency": 2}}, id="concurrency"),
        pytest.param({"accelerator": {"kind": "CPU"}}, id="kind of device"),
        pytest.param({"accelerator": {"products": ["NVIDIA-L4"]}}, id="products"),
        pytest.param({"accelerator": {"count": 2}}, id="number of devices"),
        pytest.param({"engine": {"image": "mirror/vllm:1"}}, id="engine image"),
        pytest.param({"engine": {"args": ["--seed", "1"]}}, id="engine arguments"),
        pytest.param({"engine": {"args": ["1", "--seed"]}}, id="order of engine arguments"),
        pytest.param({"engine": {"env": [{"name": "A", "value": "b"}]}}, id="engine environment"),
        pytest.param({"engine": {"env": [{"name": "A", "value": ""}]}}, id="an empty variable"),
        pytest.param({"source": {"hub": {"endpoint": "http://hub:80"}}}, id="Hub"),
        pytest.param({"source": {"hub": {"tokenSecretRef": {"name": "mine"}}}}, id="token"),
    ],
)
def test_another_revision(spec: dict[str, Any]) -> None:
    assert hash_of(a_model(**spec)) != hash_of(PLAIN)


def test_another_commit_is_another_revision() -> None:
    assert hash_of(PLAIN, "0" * 40) != hash_of(PLAIN)


def test_the_update_annotation_is_another_revision() -> None:
    updated = a_model(metadata={"annotations": {labels.UPDATE: "2026-11-01"}})
    assert hash_of(updated) != hash_of(PLAIN)


def test_the_inputs_say_only_what_the_user_set() -> None:
    model = a_model(model="org/name", replicas=3, context={"maxModelLen": 4096})
    assert inputs_of(model, A_COMMIT) == {
        "spec": {"model": "org/name", "context": {"maxModelLen": 4096}},
        "commit": A_COMMIT,
    }


def test_the_hash_of_a_release_stays_that_of_later_releases() -> None:
    """A change here restarts every model of every cluster at its next upgrade."""
    want = "261b9ee2b794dcb079ee557c9793e058ea0bc5f9e6e25ee5b0d354984c5bbc8c"
    model = a_model(model="org/name", task="Embed", context={"maxModelLen": 512}, engine={"args": ["--seed", "1"]})
    assert hash_of(model) == want
    assert revision_id(want) == want[:10]
