"""Hashes of values that are JSON."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from genmodel_operator.api import labels

DESIRED_HASH_LENGTH = 16


def canonical_json(value: Any) -> str:
    """Return the one JSON text of a value, whatever the order of its keys.

    A whole float is written as an integer, as the API server gives it back.
    """
    text = _dumps(value)
    # Reading and rendering again is much faster than looking at each value here.
    return _dumps(json.loads(text, parse_float=_number)) if _MAY_BE_WHOLE.search(text) else text


_MAY_BE_WHOLE = re.compile(r"(?:\.0|e\+[0-9]+)(?:[,}\]]|$)")
"""How a whole float ends in JSON; a string may look like it, which costs only time."""


def _dumps(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() else value


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
