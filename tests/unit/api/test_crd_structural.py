from typing import Any

import pytest

from genmodel_operator.api.structural import violations


def with_field(**field: Any) -> dict[str, Any]:
    described = {"description": "A field.", **field}
    spec = {"type": "object", "description": "The spec.", "properties": {"it": described}}
    return {"type": "object", "properties": {"spec": spec}}


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(with_field(type="string", maxLength=3), id="a bounded text"),
        pytest.param(with_field(type="string", enum=["a"], default="a"), id="an enum bounds itself"),
        pytest.param(with_field(type="integer"), id="a number"),
        pytest.param(with_field(**{"x-kubernetes-int-or-string": True}), id="a number or text has no type"),
        pytest.param(with_field(type="boolean", default=False), id="false is a default"),
        pytest.param(with_field(type="number", default=1), id="a whole number for a number"),
    ],
)
def test_what_is_structural(schema: dict[str, Any]) -> None:
    assert violations(schema) == []


@pytest.mark.parametrize(
    ("field", "want"),
    [
        pytest.param({}, "type is None", id="no type"),
        pytest.param({"type": "null"}, "type is 'null'", id="null is no type"),
        pytest.param({"type": "integer", "const": 1}, "const is not allowed", id="const"),
        pytest.param({"type": "integer", "anyOf": []}, "anyOf is not allowed", id="a union"),
        pytest.param({"$ref": "#/x"}, "$ref is not allowed", id="a reference"),
        pytest.param({"type": "integer", "title": "It"}, "title is not allowed", id="a title"),
        pytest.param({"type": "integer", "default": None}, "default None is no integer", id="a null default"),
        pytest.param({"type": "integer", "default": True}, "default True is no integer", id="true is no number"),
        pytest.param({"type": "integer", "default": "1"}, "default '1' is no integer", id="a default of another type"),
        pytest.param({"default": 1}, "default 1 is no None", id="a default without type"),
        pytest.param(
            {"type": "string", "enum": ["a"], "default": "b"},
            "default 'b' is not in the enum",
            id="a default outside the enum",
        ),
        pytest.param({"type": "string"}, "needs maxLength or enum or format", id="an unbounded text"),
        pytest.param({"type": "array", "maxItems": 1}, "an array without items", id="an array of anything"),
        pytest.param(
            {"type": "array", "items": {"type": "integer"}}, "needs maxItems", id="an unbounded array in the spec"
        ),
        pytest.param(
            {"type": "object", "additionalProperties": {"type": "integer"}}, "needs maxProperties", id="a large map"
        ),
        pytest.param(
            {"type": "object", "properties": {}, "additionalProperties": {"type": "integer"}},
            "properties and additionalProperties exclude each other",
            id="fields and a map",
        ),
        pytest.param(
            {"type": "integer", "exclusiveMinimum": 0}, "exclusiveMinimum must be true or false", id="a bound as flag"
        ),
        pytest.param({"type": "string", "maxLength": 1, "pattern": "(?=a)"}, "(?=a) is not RE2", id="a look-ahead"),
        pytest.param(
            {"type": "string", "maxLength": 1, "x-kubernetes-validations": [{"rule": r"self.matches('(a)\1')"}]},
            "is not RE2",
            id="a back-reference in a rule",
        ),
        pytest.param({"type": "integer", "description": " "}, "no description for kubectl explain", id="no text"),
        pytest.param(
            {
                "type": "array",
                "maxItems": 1,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": {
                    "type": "object",
                    "properties": {"name": {"type": "string", "description": "x", "maxLength": 1}},
                },
            },
            "the list key name must be required or have a default",
            id="an optional list key",
        ),
        pytest.param(
            {"type": "array", "maxItems": 1, "x-kubernetes-list-type": "map", "items": {"type": "object"}},
            "a list of type map without x-kubernetes-list-map-keys",
            id="a keyed list without key",
        ),
    ],
)
def test_each_violation_is_named_with_its_path(field: dict[str, Any], want: str) -> None:
    findings = violations(with_field(**field))
    assert any(finding.startswith(".spec.it") and want in finding for finding in findings), findings
