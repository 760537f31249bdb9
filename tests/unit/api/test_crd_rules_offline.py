"""The Python half of each rule says the same as its CEL half; tests/apiserver has the other side."""

import celpy
import pytest
from pydantic import ValidationError

from genmodel_operator.api.crd import root_schema
from genmodel_operator.api.structural import nodes
from genmodel_operator.api.v1alpha1 import GenerativeModel
from tests.crd_samples import SAMPLES, RuleSample

RULES = [
    (path, rule["message"], rule["rule"])
    for path, node in nodes(root_schema())
    for rule in node.get("x-kubernetes-validations", [])
]


def parse(manifest: dict[str, object]) -> GenerativeModel:
    metadata = {"namespace": "a", "uid": "1", **manifest["metadata"]}  # type: ignore[dict-item]
    return GenerativeModel.model_validate({**manifest, "metadata": metadata})


@pytest.mark.parametrize(("path", "message", "expression"), RULES, ids=[f"{rule[0]} {rule[1][:40]}" for rule in RULES])
def test_every_rule_has_samples(path: str, message: str, expression: str) -> None:
    assert [sample for sample in SAMPLES if sample.path == path and message.startswith(sample.message)], expression


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.id)
def test_every_sample_has_its_rule(sample: RuleSample) -> None:
    assert [rule for rule in RULES if rule[0] == sample.path and rule[1].startswith(sample.message)]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.id)
def test_a_sample_that_keeps_the_rule_is_read(sample: RuleSample) -> None:
    assert parse(sample.keeps).spec.model


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.id)
def test_a_sample_that_breaks_the_rule_is_refused_with_its_message(sample: RuleSample) -> None:
    with pytest.raises(ValidationError) as refused:
        parse(sample.breaks)
    (finding,) = refused.value.errors()
    assert finding["type"] == "rule"
    assert finding["msg"].startswith(sample.message)


@pytest.mark.parametrize(("path", "message", "expression"), RULES, ids=[f"{rule[0]} {rule[1][:40]}" for rule in RULES])
def test_every_rule_compiles(path: str, message: str, expression: str) -> None:
    assert celpy.Environment().compile(expression), (path, message)


@pytest.mark.parametrize(("path", "message", "expression"), RULES, ids=[f"{rule[0]} {rule[1][:40]}" for rule in RULES])
def test_every_message_is_a_short_sentence(path: str, message: str, expression: str) -> None:
    assert 20 < len(message) < 240, (path, expression)
    assert not message.endswith(".")
