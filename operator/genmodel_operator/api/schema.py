"""From pydantic models to a structural schema, as CustomResourceDefinitions demand it.

Pydantic emits JSON schema 2020-12; the API server takes a subset of OpenAPI 3.0 and refuses the
rest. What has no meaning there raises ``SchemaError`` instead of being dropped.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_REFUSED = frozenset({"allOf", "oneOf", "not", "prefixItems", "patternProperties", "discriminator"})
_KEPT = (
    "type",
    "format",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "required",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-validations",
)
_DROPPED = frozenset({"title", "description", "default", "properties", "items", "additionalProperties"})


class SchemaError(TypeError):
    """A model uses something that no structural schema can express."""


def structural_schema(model: type[BaseModel]) -> Schema:
    """Return the structural schema of ``model``: no references, no unions, no null.

    A default stays where it is a plain value; an object has the default ``{}`` where one of its
    fields has a default, because the API server fills in nested defaults only below an object
    that exists. Raises ``SchemaError``.
    """
    document = model.model_json_schema(by_alias=True)
    return _convert(document, document.get("$defs", {}), model.__name__, frozenset())


def _convert(node: Mapping[str, Any], definitions: Mapping[str, Any], path: str, open_refs: frozenset[str]) -> Schema:
    node, open_refs = _resolve(node, definitions, path, open_refs)
    _refuse_unknown(node, path)
    result: Schema = {}
    if text := node.get("description"):
        result["description"] = " ".join(str(text).replace("``", "").split())
    result |= {key: node[key] for key in _KEPT if key in node}
    result |= _exclusive_bounds(node) | _constant(node)
    if "items" in node:
        result["items"] = _convert(node["items"], definitions, f"{path}[]", open_refs)
    result |= _members(node, definitions, path, open_refs)
    return result | _default(node, result)


def _resolve(
    node: Mapping[str, Any], definitions: Mapping[str, Any], path: str, open_refs: frozenset[str]
) -> tuple[Mapping[str, Any], frozenset[str]]:
    """Follow references and optional types; what stands beside them wins over the target."""
    while "$ref" in node or "anyOf" in node:
        around = {key: value for key, value in node.items() if key not in ("$ref", "anyOf", "$defs")}
        if "anyOf" in node:
            node = {**_only_type(node["anyOf"], path), **around}
            continue
        name = node["$ref"].rsplit("/", 1)[-1]
        if name in open_refs:
            raise SchemaError(f"{path}: {name} contains itself")
        open_refs |= {name}
        node = {**definitions[name], **around}
    return node, open_refs


def _only_type(members: list[Mapping[str, Any]], path: str) -> Mapping[str, Any]:
    present = [member for member in members if member.get("type") != "null"]
    if {member.get("type") for member in present} == {"integer", "string"}:
        return {"x-kubernetes-int-or-string": True}
    if len(present) != 1:
        raise SchemaError(f"{path}: a union has no structural schema; use optional members and a rule")
    return present[0]


def _refuse_unknown(node: Mapping[str, Any], path: str) -> None:
    known = {*_KEPT, *_DROPPED, "$defs", "const", "examples", "exclusiveMinimum", "exclusiveMaximum"}
    for keyword in node:
        if keyword in _REFUSED or keyword not in known:
            raise SchemaError(f"{path}: {keyword} has no structural schema")


def _exclusive_bounds(node: Mapping[str, Any]) -> Schema:
    """OpenAPI 3.0 has a bound and a flag where JSON schema has a second bound."""
    result: Schema = {}
    for bound, flag in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if flag in node:
            result |= {bound: node[flag], flag: True}
    return result


def _constant(node: Mapping[str, Any]) -> Schema:
    result: Schema = {}
    if "const" in node:
        result["enum"] = [node["const"]]
    if node.get("examples"):
        result["example"] = node["examples"][0]
    return result


def _members(node: Mapping[str, Any], definitions: Mapping[str, Any], path: str, open_refs: frozenset[str]) -> Schema:
    """``additionalProperties: false`` goes: the API server prunes, and kubectl names unknown fields."""
    if "properties" in node:
        members = {
            name: _convert(member, definitions, f"{path}.{name}", open_refs)
            for name, member in node["properties"].items()
        }
        return {"properties": members}
    additional = node.get("additionalProperties")
    if additional is True:
        return {"x-kubernetes-preserve-unknown-fields": True}
    if isinstance(additional, Mapping):
        return {"additionalProperties": _convert(additional, definitions, f"{path}.*", open_refs)}
    return {}


def _default(node: Mapping[str, Any], converted: Schema) -> Schema:
    """Keep a default that says more than the absence of the field does; [] and null do not."""
    if "default" not in node:
        return {}
    value = node["default"]
    if isinstance(value, Mapping):
        has_defaults = any("default" in member for member in converted.get("properties", {}).values())
        return {"default": {}} if has_defaults else {}
    return {} if value is None or value == [] else {"default": value}
