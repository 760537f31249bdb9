"""A user's part of a pod template, laid over ours as a strategic merge patch. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from genmodel_operator.resources.merge_keys import MERGE_KEYS, identity, merge_keys

ROOT = "spec.podTemplate"
_ONE_SOURCE = frozenset({"volumes", "env"})
"""Lists whose entries hold one of several fields: another one takes the place of what was there."""


class PodTemplateError(ValueError):
    """A part of ``spec.podTemplate`` cannot be laid over the pod; ``path`` names it."""

    def __init__(self, path: str, why: str) -> None:
        """Take the path in the model's spec and what is wrong there."""
        self.path = path
        self.why = why
        super().__init__(f"{path}: {why}")


def patched(template: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return a pod template with the user's part laid over it.

    Objects are merged, lists joined by what identifies their entries, everything else is replaced; None
    takes a field away. Raises ``PodTemplateError`` for an entry of such a list without its key.
    """
    return _merged(template, patch, ROOT)


def _merged(base: Mapping[str, Any], patch: Mapping[str, Any], path: str) -> dict[str, Any]:
    result = dict(base)
    for key, value in patch.items():
        at = f"{path}.{key}"
        if key.startswith("$"):
            raise PodTemplateError(at, "directives of patches are not known here; null takes a field away")
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _value(base.get(key), value, key, at)
    return result


def _value(base: Any, patch: Any, field: str, path: str) -> Any:
    if isinstance(patch, Mapping):
        return _merged(base if isinstance(base, Mapping) else {}, patch, path)
    if isinstance(patch, list) and field in MERGE_KEYS:
        return _joined(base if isinstance(base, list) else [], patch, field, path)
    return patch


def _joined(base: Sequence[Any], patch: Sequence[Any], field: str, path: str) -> list[Any]:
    keys = MERGE_KEYS[field][0]
    for index, entry in enumerate(patch):
        if field != "tolerations" and merge_keys([entry], field) is None:
            raise PodTemplateError(f"{path}[{index}]", f"an entry of {field} needs the field {keys[0]}")
    result = [dict(entry) if isinstance(entry, Mapping) else entry for entry in base]
    places = {identity(entry, keys): index for index, entry in enumerate(result) if isinstance(entry, Mapping)}
    for entry in patch:
        if not isinstance(entry, Mapping):
            result.append(entry)  # the API server says best what is wrong with it
            continue
        at = f"{path}[{entry.get(keys[0], '')}]"
        known = places.get(identity(entry, keys))
        if known is None:
            places[identity(entry, keys)] = len(result)
            result.append(_merged({}, entry, at))
        else:
            result[known] = _merged(_kept(result[known], entry, field), entry, at)
    return result


def _kept(base: Mapping[str, Any], patch: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    """Return what stays of an entry: of a volume or variable only its name, where it gets another source."""
    sources = set(patch) - {"name"}
    if field in _ONE_SOURCE and not sources <= set(base):
        return {"name": base["name"]}
    return base
