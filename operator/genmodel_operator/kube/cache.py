"""What was last seen of the children, so that a reconcile need not ask again.

The cache may only spare requests: after a gap in a watch it can hold objects that are gone. The
resync reads live. Objects are kept as compressed JSON; as dicts they would take a hundred times the
memory (a Deployment: 35 KiB). The first object of a kind is the dictionary of those that follow: they differ in
little, and take a third of what they take each on its own.
"""

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from genmodel_operator.api import labels
from genmodel_operator.kube.kinds import POD, Kind

Object = dict[str, Any]

_REMEMBERED_DELETIONS = 4096
_WINDOW_BYTES = 32 * 1024
"""How far back zlib looks."""
_POD_METADATA = (
    "name",
    "namespace",
    "uid",
    "labels",
    "ownerReferences",
    "creationTimestamp",
    "deletionTimestamp",
)
_POD_PLACEMENT = ("nodeName", "nodeSelector", "affinity")
_POD_CONTAINER = ("name", "image", "resources")
_WRITER = ("manager", "operation", "subresource")


@dataclass(frozen=True, slots=True)
class _Entry:
    """One remembered object; ``packed`` has no resource version, so that equal content has an equal digest."""

    uid: str
    owner: str | None
    version: int
    digest: int
    packed: bytes
    like: bytes
    """The dictionary that it is packed with."""


class ChildCache:
    """Remembers children by kind, namespace and name, and by the model that owns them."""

    def __init__(self) -> None:
        self._entries: dict[str, dict[tuple[str, str], _Entry]] = {}
        self._names: dict[tuple[str, str, str], set[str]] = {}
        self._deleted: dict[str, int] = {}
        self._likes: dict[str, bytes] = {}

    def __len__(self) -> int:
        return sum(map(len, self._entries.values()))

    def observe(self, kind: Kind, type_: str | None, obj: Mapping[str, Any]) -> bool:
        """Take in a watch event (type None: first list or re-list); return whether it tells anything new."""
        if type_ == "DELETED":
            return self._remove(kind, obj)
        return self.put(kind, obj)

    def put(self, kind: Kind, obj: Mapping[str, Any]) -> bool:
        """Remember an object as an answer or event showed it; return whether it differs from what was known.

        An older version never replaces a newer one, nor does it bring back what was seen deleted. A newer one does:
        a watch by label calls an object deleted when somebody takes the label away.
        """
        metadata = obj["metadata"]
        key = (kind.plural, metadata.get("namespace", ""), metadata["name"])
        version, uid = _version(metadata), metadata.get("uid", "")
        known = self._entry(*key)
        if version <= self._deleted.get(uid, -1) or (known is not None and version <= known.version):
            return False
        self._forget(key)
        entry = self._packed(kind, obj, version)
        self._entries.setdefault(key[0], {})[key[1:]] = entry
        if entry.owner is not None:
            self._names.setdefault((kind.plural, key[1], entry.owner), set()).add(key[2])
        return known is None or known.digest != entry.digest

    def get(self, kind: Kind, namespace: str, name: str, *, read: Object | None = None) -> Object | None:
        """Return what was last seen of an object, without its field ownership details.

        ``read`` is what was returned before: it is returned again while nothing newer was seen.
        """
        entry = self._entry(kind.plural, namespace, name)
        if entry is None:
            return None
        is_newest = read is not None and read["metadata"].get("resourceVersion") == str(entry.version)
        return read if is_newest else _unpack(entry)

    def of_model(self, kind: Kind, namespace: str, model_name: str) -> list[Object]:
        """Return what was last seen of a model's objects of a kind, by name."""
        names = self._names.get((kind.plural, namespace, model_name), ())
        found = (self._entry(kind.plural, namespace, name) for name in sorted(names))
        return [_unpack(entry) for entry in found if entry is not None]

    def digests(self, kind: Kind) -> Iterator[tuple[tuple[str, str], int]]:
        """Yield namespace and name of every object of a kind, with a number that changes with its content."""
        return ((key, entry.digest) for key, entry in self._entries.get(kind.plural, {}).items())

    def all_of(self, kind: Kind) -> list[Object]:
        """Return what was last seen of every object of a kind; some may be gone."""
        return [_unpack(entry) for entry in self._entries.get(kind.plural, {}).values()]

    def drop(self, kind: Kind, namespace: str, name: str) -> None:
        """Forget an object that a live read did not find."""
        self._forget((kind.plural, namespace, name))

    def replace(self, kind: Kind, namespace: str, model_name: str, live: list[Object]) -> None:
        """Take a live list as the whole truth about a model's objects of a kind: ghosts go."""
        names = {obj["metadata"]["name"] for obj in live}
        for name in self._names.get((kind.plural, namespace, model_name), set()) - names:
            self.drop(kind, namespace, name)
        for obj in live:
            self.put(kind, obj)

    def _packed(self, kind: Kind, obj: Mapping[str, Any], version: int) -> _Entry:
        trimmed = _trim_pod(obj) if kind is POD else _trim(obj)
        metadata = trimmed["metadata"]
        metadata.pop("resourceVersion", None)
        data = json.dumps(trimmed, separators=(",", ":"), sort_keys=True).encode()
        like = self._likes.setdefault(kind.plural, data[-_WINDOW_BYTES:])
        packer = zlib.compressobj(1, zdict=like)
        packed = packer.compress(data) + packer.flush()
        return _Entry(metadata.get("uid", ""), labels.owner_name(metadata), version, hash(data), packed, like)

    def _remove(self, kind: Kind, obj: Mapping[str, Any]) -> bool:
        metadata = obj["metadata"]
        self._remember_deletion(metadata.get("uid", ""), _version(metadata))
        key = (kind.plural, metadata.get("namespace", ""), metadata["name"])
        known = self._entry(*key)
        # A new object may have taken the name already; its own event is then older news than it.
        if known is not None and known.uid == metadata.get("uid", ""):
            self._forget(key)
        return True

    def _remember_deletion(self, uid: str, version: int) -> None:
        if uid:
            self._deleted[uid] = version
        while len(self._deleted) > _REMEMBERED_DELETIONS:
            del self._deleted[next(iter(self._deleted))]

    def _entry(self, plural: str, namespace: str, name: str) -> _Entry | None:
        return self._entries.get(plural, {}).get((namespace, name))

    def _forget(self, key: tuple[str, str, str]) -> None:
        entry = self._entries.get(key[0], {}).pop(key[1:], None)
        if entry is None or entry.owner is None:
            return
        owner = (key[0], key[1], entry.owner)
        self._names[owner].discard(key[2])
        if not self._names[owner]:
            del self._names[owner]


def _version(metadata: Mapping[str, Any]) -> int:
    try:
        return int(metadata.get("resourceVersion", 0))
    except ValueError:
        return 0


def _trim(obj: Mapping[str, Any]) -> Object:
    """Return an object that says who wrote it, but not which fields."""
    managed = [{key: e[key] for key in _WRITER if key in e} for e in obj["metadata"].get("managedFields") or []]
    return {**obj, "metadata": {**obj["metadata"], "managedFields": managed}}


def _trim_pod(pod: Mapping[str, Any]) -> Object:
    """Return what the status summary reads of a pod."""
    spec = pod.get("spec") or {}
    kept: Object = {
        field: [{key: c[key] for key in _POD_CONTAINER if key in c} for c in spec.get(field) or []]
        for field in ("initContainers", "containers")
    }
    kept |= {field: spec[field] for field in _POD_PLACEMENT if spec.get(field)}
    metadata = {key: pod["metadata"][key] for key in _POD_METADATA if key in pod["metadata"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": kept, "status": pod.get("status") or {}}


def _unpack(entry: _Entry) -> Object:
    found: Object = json.loads(zlib.decompressobj(zdict=entry.like).decompress(entry.packed))
    found["metadata"]["resourceVersion"] = str(entry.version)
    return found
