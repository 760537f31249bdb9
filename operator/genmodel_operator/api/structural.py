"""Checks that a schema is structural and fit for CEL, before an API server says so.

Strict validation of the CRD object knows its fields, not these rules; each finding names the
node by its path.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}
_KEYWORDS = frozenset(
    {
        "type", "format", "description", "default", "enum", "example", "nullable", "pattern",
        "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
        "minItems", "maxItems", "minProperties", "maxProperties", "required",
        "properties", "items", "additionalProperties",
        "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys", "x-kubernetes-map-type", "x-kubernetes-validations",
    }
)  # fmt: skip
_NOT_RE2 = re.compile(r"\(\?[=!<]|\\[1-9]")

Node = Mapping[str, Any]


def violations(root: Node) -> list[str]:
    """Return what is wrong with the schema of a whole object, one line per finding."""
    return [finding for path, node in nodes(root) for finding in _check(path, node)]


def nodes(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Yield every node of a schema with its path, the root's being empty."""
    yield path, node
    for name, member in node.get("properties", {}).items():
        yield from nodes(member, f"{path}.{name}")
    if isinstance(node.get("items"), Mapping):
        yield from nodes(node["items"], f"{path}[]")
    if isinstance(node.get("additionalProperties"), Mapping):
        yield from nodes(node["additionalProperties"], f"{path}.*")


def _check(path: str, node: Node) -> Iterator[str]:
    for finding in (*_keywords(node), *_typed(node), *_described(path, node), *_defaulted(node), *_listed(node)):
        yield f"{path or '.'}: {finding}"
    if path.startswith(".spec"):
        yield from (f"{path}: {finding}" for finding in _bounded(node))


def _keywords(node: Node) -> Iterator[str]:
    yield from (f"{keyword} is not allowed" for keyword in node if keyword not in _KEYWORDS)
    if "properties" in node and "additionalProperties" in node:
        yield "properties and additionalProperties exclude each other"
    for flag in ("exclusiveMinimum", "exclusiveMaximum"):
        if flag in node and not isinstance(node[flag], bool):
            yield f"{flag} must be true or false"
    expressions = [node.get("pattern", ""), *(rule["rule"] for rule in node.get("x-kubernetes-validations", []))]
    yield from (f"{text} is not RE2" for text in expressions if _NOT_RE2.search(text))


def _typed(node: Node) -> Iterator[str]:
    is_free = node.get("x-kubernetes-int-or-string") or node.get("x-kubernetes-preserve-unknown-fields")
    if not is_free and node.get("type") not in _TYPES:
        yield f"type is {node.get('type')!r}"
    if node.get("type") == "array" and "items" not in node:
        yield "an array without items"


def _described(path: str, node: Node) -> Iterator[str]:
    is_named = path and not path.endswith(("[]", ".*")) and path != ".metadata"
    if is_named and not str(node.get("description", "")).strip():
        yield "no description for kubectl explain"


def _defaulted(node: Node) -> Iterator[str]:
    if "default" not in node:
        return
    value, wanted = node["default"], _TYPES.get(str(node.get("type")))
    is_bool_for_number = isinstance(value, bool) and node.get("type") in ("integer", "number")
    if wanted is None or not isinstance(value, wanted) or is_bool_for_number:
        yield f"default {value!r} is no {node.get('type')}"
    if "enum" in node and value not in node["enum"]:
        yield f"default {value!r} is not in the enum"


def _listed(node: Node) -> Iterator[str]:
    if node.get("x-kubernetes-list-type") != "map":
        return
    items = node.get("items", {})
    for key in node.get("x-kubernetes-list-map-keys", []):
        member = items.get("properties", {}).get(key, {})
        if key not in items.get("required", []) and "default" not in member:
            yield f"the list key {key} must be required or have a default"
    if not node.get("x-kubernetes-list-map-keys"):
        yield "a list of type map without x-kubernetes-list-map-keys"


def _bounded(node: Node) -> Iterator[str]:
    """Name what has no bound: the API server estimates the cost of rules from them."""
    bounds = {"string": ("maxLength", "enum", "format"), "array": ("maxItems",)}
    needed = bounds.get(str(node.get("type")), ())
    if "additionalProperties" in node:
        needed = ("maxProperties",)
    if needed and not any(bound in node for bound in needed):
        yield f"needs {' or '.join(needed)}"
