"""Whether the cluster's definition has what this operator writes and reads."""

import copy
from typing import Any, cast

import pytest

from genmodel_operator.api.crd import root_schema
from genmodel_operator.kube.client import KubeClient
from genmodel_operator.kube.definition import definition_problem, missing_fields
from genmodel_operator.kube.kinds import Kind

Object = dict[str, Any]


class Server:
    """Serves a schema; the real one is asked in tests/contract."""

    def __init__(self, schema: Object, *, is_there: bool = True) -> None:
        self._schema = schema
        self._is_there = is_there

    async def is_served(self, _kind: Kind) -> bool:
        return self._is_there

    async def served_schema(self, _kind: Kind) -> Object:
        return self._schema


def problem_of(schema: Object, *, is_there: bool = True) -> Any:
    return definition_problem(cast(KubeClient, Server(schema, is_there=is_there)))


def without(*paths: tuple[str, ...]) -> Object:
    """The schema of an older version: these fields are not in it."""
    schema = copy.deepcopy(root_schema())
    for path in paths:
        place = schema
        for name in path[:-1]:
            place = place["properties"][name]
        del place["properties"][path[-1]]
    return schema


async def test_the_definition_of_this_version_is_right() -> None:
    assert await problem_of(root_schema()) is None


async def test_a_newer_definition_is_right() -> None:
    schema = copy.deepcopy(root_schema())
    schema["properties"]["spec"]["properties"]["later"] = {"type": "string"}
    assert await problem_of(schema) is None


async def test_what_a_server_adds_to_a_schema_is_nothing_to_it() -> None:
    schema = copy.deepcopy(root_schema())
    schema["properties"]["metadata"] = {"allOf": [{"$ref": "#/components/schemas/ObjectMeta"}], "default": {}}
    assert await problem_of(schema) is None


@pytest.mark.parametrize(
    ("schema", "want_words"),
    [
        pytest.param(without(("spec", "suspend")), "it lacks spec.suspend; install", id="a field of the spec"),
        pytest.param(without(("status", "plan")), "it lacks status.plan; install", id="a whole part of the status"),
        pytest.param(
            without(*(("spec", name) for name in ("cache", "access", "engine", "suspend", "replicas"))),
            "and 2 more; install that of this version",
            id="more than are shown",
        ),
        pytest.param({}, "has not published the schema", id="nothing published"),
    ],
)
async def test_an_older_definition_is_named_by_what_it_lacks(schema: Object, want_words: str) -> None:
    problem = await problem_of(schema)
    assert want_words in problem
    assert "generativemodels.genmodel.dev" in problem


async def test_a_definition_that_is_not_there() -> None:
    assert "is not installed; the chart brings it" in await problem_of({}, is_there=False)


def test_fields_of_what_lists_hold_are_compared_too() -> None:
    wanted: Object = {"properties": {"list": {"items": {"properties": {"a": {}, "b": {}}}}}}
    served: Object = {"properties": {"list": {"items": {"properties": {"a": {}}}}}}
    assert list(missing_fields(wanted, served)) == ["list[].b"]
