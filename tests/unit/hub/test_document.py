"""Facts as a JSON document."""

import json
from typing import Any

import pytest

from genmodel_operator.hub.document import facts_from_json, facts_to_json
from genmodel_operator.hub.facts import ModelFacts
from tests.builders import some_facts


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(some_facts(), id="a chat model"),
        pytest.param(some_facts(license=None, quantization="awq", gated=True, provenance={}), id="all else"),
        pytest.param(some_facts(tensors=(), files=()), id="nothing in it"),
        pytest.param(some_facts(chat_template="{{ tools }}", added_tokens=("<a>", "<b>")), id="tools"),
    ],
)
def test_the_round_trip_gives_an_equal_value(facts: ModelFacts) -> None:
    assert facts_from_json(json.loads(json.dumps(facts_to_json(facts)))) == facts


def test_missing_optional_fields_take_their_defaults() -> None:
    document = facts_to_json(some_facts())
    for name in ("license", "gated", "has_chat_template", "chat_template", "added_tokens", "provenance"):
        del document[name]
    assert facts_from_json(document).license is None


def changed(**changes: Any) -> dict[str, Any]:
    document = facts_to_json(some_facts()) | changes
    return {name: value for name, value in document.items() if value is not ...}


@pytest.mark.parametrize(
    ("document", "want"),
    [
        pytest.param(changed(version=2), "version: 2 is not 1", id="another version"),
        pytest.param({}, "version: None is not 1", id="nothing"),
        pytest.param(changed(surprise=1), "surprise: not a field of a facts document", id="an unknown field"),
        pytest.param(changed(tensors=...), "tensors: missing", id="a missing list"),
        pytest.param(changed(commit=...), "commit", id="a missing field"),
        pytest.param(changed(task="Sing"), "'Sing' is not a valid ServedTask", id="an unknown task"),
        pytest.param(changed(files=[{"path": "a"}]), "size_bytes: missing", id="half a file"),
        pytest.param(changed(tensors=3), "not a facts document", id="a number for a list"),
    ],
)
def test_a_broken_document_is_named(document: dict[str, Any], want: str) -> None:
    with pytest.raises(ValueError, match=want):
        facts_from_json(document)
