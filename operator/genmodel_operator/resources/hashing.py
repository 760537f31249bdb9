"""Hashes of values that are JSON."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from genmodel_operator.api import labels

DESIRED_HASH_LENGTH = 16


def canonical_json(value: Any) -> str:
    """Return the one JSON text of a value, whatever the order of its keys.

    A whole float is written as an integer, as the API server gives it back.
    """
    return json.dumps(_with_integers(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _with_integers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_integers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_with_integers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def sha256_of(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON, in hex."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def with_desired_hash(desired: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of an object that carries the hash of itself without that annotation."""
    metadata = dict(desired["metadata"])
    annotations = {k: v for k, v in metadata.get("annotations", {}).items() if k != labels.DESIRED_HASH}
    plain = {**desired, "metadata": _with_annotations(metadata, annotations)}
    annotations[labels.DESIRED_HASH] = sha256_of(plain)[:DESIRED_HASH_LENGTH]
    return {**desired, "metadata": _with_annotations(metadata, annotations)}


def _with_annotations(metadata: Mapping[str, Any], annotations: Mapping[str, str]) -> dict[str, Any]:
    """Return metadata with these annotations, and without the field where there are none."""
    rest = {key: value for key, value in metadata.items() if key != "annotations"}
    return {**rest, "annotations": dict(annotations)} if annotations else rest
