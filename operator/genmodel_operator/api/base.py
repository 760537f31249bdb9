"""What spec and status models share: names on the wire, and rules that hold on both sides.

A ``Rule`` states one fact twice, as CEL for the API server and as a predicate for offline
validation; the tests check on a real API server that both say the same of every sample.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

VALIDATIONS = "x-kubernetes-validations"


@dataclass(frozen=True, slots=True)
class Rule:
    """One CEL rule of the CRD, and the same rule in Python.

    As metadata of a field (``Annotated[str, Rule(...)]``) it checks the field's value; in a
    model's ``rules`` it checks the model. Raises ``PydanticCustomError`` of type ``rule``.
    """

    expression: str
    message: str
    holds: Callable[[Any], bool]

    def check(self, value: Any) -> Any:
        """Return the value; raise where the rule does not hold."""
        if not self.holds(value):
            raise PydanticCustomError("rule", "{message}", {"message": self.message})
        return value

    def as_schema(self) -> dict[str, str]:
        """Return the rule as an entry of ``x-kubernetes-validations``."""
        return {"rule": self.expression, "message": self.message}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        result = handler(schema)
        result.setdefault(VALIDATIONS, []).append(self.as_schema())
        return result


def matches(pattern: str, message: str) -> Rule:
    """Return the rule that a string matches ``pattern`` as a whole.

    A rule instead of the schema keyword ``pattern``: the API server's answer to that one is the
    bare regular expression. The pattern must mean the same in Python and in RE2.
    """
    compiled = re.compile(pattern, re.ASCII)
    return Rule(f"self.matches(r'^(?:{pattern})$')", message, lambda text: compiled.fullmatch(text) is not None)


def lacks(part: str, message: str) -> Rule:
    """Return the rule that a string does not contain ``part``."""
    return Rule(f"!self.contains('{part}')", message, lambda text: part not in text)


def to_wire(name: str) -> str:
    """Return a field's name in YAML: camelCase, with the unit GiB spelt as such."""
    return re.sub(r"Gib$", "GiB", to_camel(name))


def _add_rules(schema: dict[str, Any], model: type["ApiModel"]) -> None:
    if model.rules:
        schema[VALIDATIONS] = [rule.as_schema() for rule in model.rules]


class ApiModel(BaseModel):
    """Base of spec and status: camelCase on the wire, immutable, unknown fields dropped.

    Unknown fields are refused by the API server under strict validation; a stored object that a
    newer version wrote must still be readable here.
    """

    model_config = ConfigDict(
        alias_generator=to_wire,
        populate_by_name=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
        json_schema_extra=_add_rules,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()
    """Rules over several fields of this model."""

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        for rule in self.rules:
            rule.check(self)
        return self
