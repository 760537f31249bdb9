from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from genmodel_operator.api.schema import SchemaError, structural_schema


class Inner(BaseModel):
    """Part of an object."""

    size: int = 3


class Bare(BaseModel):
    """Part without defaults."""

    size: int | None = None


def schema_of(annotation: Any, default: Any = ...) -> dict[str, Any]:
    class Outer(BaseModel):
        model_config = ConfigDict(extra="forbid")
        it: annotation = default

    schema = structural_schema(Outer)
    assert "additionalProperties" not in schema
    result = schema["properties"]["it"]
    assert isinstance(result, dict)
    return result


@pytest.mark.parametrize(
    ("annotation", "default", "want"),
    [
        pytest.param(str | None, None, {"type": "string"}, id="an optional field has its type and no null default"),
        pytest.param(int | str, ..., {"x-kubernetes-int-or-string": True}, id="a number or text has no type"),
        pytest.param(Literal["a"], ..., {"type": "string", "enum": ["a"]}, id="a constant becomes an enum"),
        pytest.param(Literal["a", "b"], "b", {"type": "string", "enum": ["a", "b"], "default": "b"}, id="an enum"),
        pytest.param(
            Annotated[int, Field(gt=0)],
            ...,
            {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
            id="an exclusive bound is a flag",
        ),
        pytest.param(
            dict[str, int],
            ...,
            {"type": "object", "additionalProperties": {"type": "integer"}},
            id="a map has a schema for its values",
        ),
        pytest.param(
            dict[str, Any],
            ...,
            {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            id="a free map keeps what it holds",
        ),
        pytest.param(list[str], [], {"type": "array", "items": {"type": "string"}}, id="an empty list is no default"),
        pytest.param(
            Annotated[str, Field(examples=["x", "y"])],
            ...,
            {"type": "string", "example": "x"},
            id="the first of the examples",
        ),
        pytest.param(
            Inner,
            Inner(),
            {
                "description": "Part of an object.",
                "type": "object",
                "properties": {"size": {"type": "integer", "default": 3}},
                "default": {},
            },
            id="an object whose fields have defaults exists by default",
        ),
        pytest.param(
            Bare,
            Bare(),
            {
                "description": "Part without defaults.",
                "type": "object",
                "properties": {"size": {"type": "integer"}},
            },
            id="an object whose fields have none does not",
        ),
    ],
)
def test_conversion(annotation: Any, default: Any, want: dict[str, Any]) -> None:
    assert schema_of(annotation, default) == want


@pytest.mark.parametrize(
    ("annotation", "want_message"),
    [
        pytest.param(int | bool, "union", id="a union of types"),
        pytest.param(Inner | Bare, "union", id="a union of models"),
        pytest.param(tuple[int, str], "prefixItems", id="a tuple"),
        pytest.param(set[int], "uniqueItems", id="a set, which the API server refuses"),
    ],
)
def test_what_has_no_structural_schema_is_refused_by_name(annotation: Any, want_message: str) -> None:
    with pytest.raises(SchemaError, match=rf"Outer.it: .*{want_message}"):
        schema_of(annotation)


class Node(BaseModel):
    children: list["Node"] = []


def test_recursion_is_refused() -> None:
    with pytest.raises(SchemaError, match="contains itself"):
        structural_schema(Node)


def test_the_same_part_may_occur_twice() -> None:
    class Pair(BaseModel):
        left: Inner
        right: Inner

    properties = structural_schema(Pair)["properties"]
    assert properties["left"] == properties["right"]


def test_a_field_says_more_than_its_type() -> None:
    class Holder(BaseModel):
        model_config = ConfigDict(use_attribute_docstrings=True)
        inner: Inner | None = None
        """How ``inner``
        is used."""

    assert structural_schema(Holder)["properties"]["inner"]["description"] == "How inner is used."
