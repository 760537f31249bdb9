"""Strict JSON schemas of every kind that an API server serves, from its own OpenAPI document."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Definitions = Mapping[str, Any]

_PREFIX = "#/definitions/"
_TAKEN_AS = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": ["string", "integer"],
    "io.k8s.apimachinery.pkg.api.resource.Quantity": ["string", "number"],
}
"""Types that the document calls strings and that the server also takes as numbers."""


def write_schemas(document: Mapping[str, Any], folder: Path) -> int:
    """Write a file for each kind, whole in itself; return how many there are."""
    definitions = {name: _strict(name, found) for name, found in document["definitions"].items()}
    written = 0
    for name, found in document["definitions"].items():
        for kind in found.get("x-kubernetes-group-version-kind", []):
            inside = {needed: definitions[needed] for needed in _needed(name, definitions)}
            (folder / file_name(**kind)).write_text(json.dumps({**definitions[name], "definitions": inside}))
            written += 1
    return written


def file_name(*, group: str, version: str, kind: str) -> str:
    """Return the name under which kubeconform looks for a kind (``{{.ResourceKind}}{{.KindSuffix}}.json``)."""
    return "-".join(filter(None, (kind, group.partition(".")[0], version))).lower() + ".json"


def _strict(name: str, found: Mapping[str, Any]) -> dict[str, Any]:
    if name in _TAKEN_AS:
        return {"type": _TAKEN_AS[name]}
    return _closed(found)


def _closed(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema that refuses keys which it does not name, at every level."""
    result = dict(node)
    if "properties" in node:
        result["properties"] = {key: _closed(value) for key, value in node["properties"].items()}
        if not node.get("x-kubernetes-preserve-unknown-fields"):
            result["additionalProperties"] = False
    if isinstance(node.get("items"), Mapping):
        result["items"] = _closed(node["items"])
    return result


def _needed(name: str, definitions: Definitions) -> set[str]:
    found, left = {name}, [name]
    while left:
        new = set(_references(definitions[left.pop()])) - found
        found |= new
        left += new
    return found


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        reference = node.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix(_PREFIX)
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
