"""From what the API server says of a Deployment to the user's own field, and back from what it stores. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from genmodel_operator.resources.merge_keys import MERGE_KEYS, identity, merge_keys
from genmodel_operator.resources.pod_patch import ROOT

_PATH = re.compile(r"spec\.template(?P<rest>(?:\.[A-Za-z]+|\[[^\]\s]*\])*)")
_STEP = re.compile(r"\.([A-Za-z]+)|\[([^\]]*)\]")
_REFUSED = re.compile(r'^.*?" is invalid: |^.*strict decoding error: ')


def refused_field(message: str, template: Mapping[str, Any]) -> tuple[str, str]:
    """Return the first field of ``spec.podTemplate`` that a refusal names, and what is wrong with it.

    Entries of lists are named as users wrote them: the server counts those of the whole template.
    """
    first: list[str] = []

    def named(found: re.Match[str]) -> str:
        first.append(ROOT + _by_name(found["rest"], template))
        return first[-1]

    text = _PATH.sub(named, _REFUSED.sub("", message, count=1))
    path = first[0] if first else ROOT
    return path, text.removeprefix("[").removeprefix(f"{path}: ")


def _by_name(rest: str, template: Any) -> str:
    """Return the rest of a path with names in place of the numbers of entries."""
    at, field, words = template, "", ""
    for member, index in _STEP.findall(rest):
        if member:
            field, words = member, f"{words}.{member}"
            at = at.get(member) if isinstance(at, Mapping) else None
        else:
            at = at[int(index)] if isinstance(at, list) and index.isdigit() and int(index) < len(at) else None
            key = MERGE_KEYS[field][0][0] if field in MERGE_KEYS else ""
            words += f"[{at.get(key, index) if isinstance(at, Mapping) else index}]"
    return words


def as_stored(desired: Any, stored: Any, field: str = "") -> Any:
    """Return what we mean in the form in which the API server keeps it: no field more, values as it writes them."""
    if isinstance(desired, Mapping) and isinstance(stored, Mapping):
        return {key: as_stored(value, stored[key], key) for key, value in desired.items() if key in stored}
    if isinstance(desired, list) and isinstance(stored, list):
        keys = merge_keys(desired, field)
        if keys is not None:
            found = {identity(entry, keys): entry for entry in stored}
            return [as_stored(entry, found.get(identity(entry, keys), entry)) for entry in desired]
        if len(desired) == len(stored):
            return [as_stored(mine, theirs) for mine, theirs in zip(desired, stored, strict=True)]
    return stored
