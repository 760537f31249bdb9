"""Whether a live object needs a write, and whether it is ours to write. Pure.

A server-side apply that changes nothing is still a request. Comparing first makes a quiet cluster
quiet: no write in steady state, none at a restart.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from genmodel_operator.api import labels
from genmodel_operator.api.quantity import parse_quantity
from genmodel_operator.resources.merge_keys import identity, merge_keys

_OMITTED_WHEN_FALSE = frozenset(
    {"readOnly", "hostNetwork", "hostPID", "hostIPC", "stdin", "stdinOnce", "tty", "paused", "initialDelaySeconds"}
)
"""Fields that the server does not store when they are false or 0. Others mean something when absent."""

_OMITTED_WHEN_EMPTY = frozenset({"labels", "annotations", "nodeSelector", "matchLabels", "limits", "requests", "data"})
"""Maps that the server does not store when they are empty."""

_ATOMIC_MAPS = frozenset({"selector", "matchLabels", "podSelector", "namespaceSelector"})
"""Maps that are one value: one more label in the Service's selector, and it finds no pod."""

_EXACT = frozenset({"ingress", "egress"})
"""Lists in which everything that somebody adds opens something, and to which the server adds nothing."""

_LEAVES = frozenset({str, int, bool})

_QUANTITY_PARENTS = frozenset({"limits", "requests"})
_QUANTITY_FIELDS = frozenset({"sizeLimit", "storage"})


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that we mean and that is not as we mean it; ``live`` is None where it is absent."""

    path: str
    live: Any


def is_applied(live: Mapping[str, Any] | None, desired: Mapping[str, Any]) -> bool:
    """Return whether every field that ``desired`` has is in ``live`` with the same value.

    ``desired`` carries its hash as an annotation, so a field that we no longer mean is noticed too.
    Fields and list entries of others are ignored.
    """
    return live is not None and next(_differences(live, desired, _ROOT), None) is None


def differences(live: Mapping[str, Any], desired: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Return what of ``desired`` is not so in ``live``; nothing where ``is_applied`` holds."""
    return tuple(_differences(live, desired, _ROOT))


class _Place(NamedTuple):
    """Where in an object: its path for people, the field's name and that of the field around it."""

    path: str = ""
    field: str = ""
    parent: str = ""

    def member(self, key: str) -> "_Place":
        return _Place(f"{self.path}.{key}" if self.path else key, key, self.field)

    def entry(self, name: object) -> "_Place":
        return _Place(f"{self.path}[{name}]")


_ROOT = _Place()


def _differences(live: Any, desired: Any, place: _Place) -> Iterator[Difference]:
    if place.field == "data" and live == desired:
        # A ControllerRevision's: the longest of all, and given back as it was sent.
        return
    if place.field in _EXACT and live != desired:
        yield Difference(place.path, live)
        return
    if isinstance(desired, Mapping):
        yield from _map_differences(live, desired, place)
    elif isinstance(desired, list | tuple):
        yield from _list_differences(live, desired, place)
    elif not _is_same_value(live, desired, place):
        yield Difference(place.path, live)


def _is_same_value(live: Any, desired: Any, place: _Place) -> bool:
    if live == desired:
        return isinstance(live, bool) == isinstance(desired, bool)
    is_quantity = place.parent in _QUANTITY_PARENTS or place.field in _QUANTITY_FIELDS
    return is_quantity and _quantity(live) is not None and _quantity(live) == _quantity(desired)


def _map_differences(live: Any, desired: Mapping[str, Any], place: _Place) -> Iterator[Difference]:
    if not isinstance(live, Mapping) or (place.field in _ATOMIC_MAPS and live.keys() - desired.keys()):
        yield Difference(place.path, live)
        return
    for key, value in desired.items():
        if key in live:
            found = live[key]
            # Most of an object are texts that are as they were: no need to know where in it they are.
            if not _is_same_leaf(found, value):
                yield from _differences(found, value, place.member(key))
        elif not _means_absent(key, value):
            yield Difference(place.member(key).path, None)


def _is_same_leaf(live: Any, desired: Any) -> bool:
    return type(live) in _LEAVES and type(live) is type(desired) and bool(live == desired)


def _means_absent(key: str, desired: Any) -> bool:
    """Return whether the server stores such a value by leaving the field out.

    An empty object in general is not: ``emptyDir: {}`` is a choice.
    """
    if desired is None or desired in ("", []):
        return True
    return not desired and (key in _OMITTED_WHEN_FALSE or key in _OMITTED_WHEN_EMPTY)


def _list_differences(live: Any, desired: Sequence[Any], place: _Place) -> Iterator[Difference]:
    keys = merge_keys(desired, place.field)
    if keys is None or not isinstance(live, list):
        if not isinstance(live, list) or len(live) != len(desired) or not _is_same_list(live, desired):
            yield Difference(place.path, live)
        return
    found = {identity(item, keys): item for item in live if isinstance(item, Mapping)}
    for wanted in desired:
        entry = found.get(identity(wanted, keys))
        if entry is not None and all(_is_same_leaf(entry.get(key), value) for key, value in wanted.items()):
            continue
        inner = place.entry(wanted.get("name", wanted[keys[0]]))
        if entry is None:
            yield Difference(inner.path, None)
        else:
            yield from _differences(entry, wanted, inner)


def _is_same_list(live: Sequence[Any], desired: Sequence[Any]) -> bool:
    pairs = zip(live, desired, strict=True)
    return all(_is_same_leaf(*pair) or next(_differences(*pair, _ROOT), None) is None for pair in pairs)


def _quantity(value: Any) -> Decimal | None:
    try:
        return parse_quantity(str(value))
    except ValueError:
        return None


class Ownership(StrEnum):
    """Whose a live object is."""

    OURS = "ours"
    """Owned by this very model."""
    LOST_OWNER = "lost owner"
    """Written by us for a model of this name, but without its owner reference: it is put back."""
    OLDER_OWNER = "older owner"
    """Owned by an earlier model of the same name: the garbage collector removes it."""
    FOREIGN = "foreign"
    """Somebody else's: it is left alone."""


def ownership(live: Mapping[str, Any], *, model_uid: str, model_name: str) -> Ownership:
    """Return whose ``live`` is, seen from the model with this name and UID.

    1. An owner reference with the model's UID: ours.
    2. One of our kind and the same name with another UID: an older model's.
    3. Another controller, or an owner of our kind with another name: foreign.
    4. Our labels for this model, and our field manager wrote it: ours, with the reference lost.
    5. Anything else: foreign.
    """
    metadata = live.get("metadata") or {}
    owners = metadata.get("ownerReferences") or []
    if any(owner.get("uid") == model_uid for owner in owners):
        return Ownership.OURS
    models = [owner for owner in owners if labels.is_model(owner)]
    if any(owner.get("name") == model_name for owner in models):
        return Ownership.OLDER_OWNER
    if models or any(owner.get("controller") for owner in owners):
        return Ownership.FOREIGN
    is_labelled = labels.owner_name(metadata) == model_name
    return Ownership.LOST_OWNER if is_labelled and _is_written_by_us(metadata) else Ownership.FOREIGN


def _is_written_by_us(metadata: Mapping[str, Any]) -> bool:
    return any(entry.get("manager") == labels.FIELD_MANAGER for entry in metadata.get("managedFields") or [])


def is_as_created(live: Mapping[str, Any]) -> bool:
    """Return whether our fields are still held as those of the request that created the object.

    Server-side apply takes nothing away that such an entry holds: see ``as_applied``.
    """
    operations = {entry.get("operation") for entry in _our_entries(live)}
    return operations == {"Update"}


def as_applied(live: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the object's field ownership with what we created turned into what we applied.

    So that a later apply removes fields that we no longer mean; ``kubectl`` does the same when an
    object made with ``kubectl create`` is applied (client-go, csaupgrade).
    """
    ours = _our_entries(live)
    entries = live["metadata"].get("managedFields") or []
    return [dict(entry, operation="Apply") if entry in ours else dict(entry) for entry in entries]


def _our_entries(live: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    entries = live["metadata"].get("managedFields") or []
    return [entry for entry in entries if entry.get("manager") == labels.FIELD_MANAGER and not entry.get("subresource")]
