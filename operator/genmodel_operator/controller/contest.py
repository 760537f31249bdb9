"""Who else writes our fields, and how often we write them back.

A field that somebody edits is put back at once. Somebody who changes it again and again (an autoscaler that
targets the Deployment, another controller, a policy that deletes) would make the two write for ever: after a few
times we write less and less often, and say so. What is changed on admission comes back changed whatever we write;
it is not written again until it looks otherwise.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from genmodel_operator.api import labels
from genmodel_operator.kube.apply import Difference, differences
from genmodel_operator.kube.kinds import Kind

FREE_REPAIRS = 3
"""So often a thing is put back at once."""
FIRST_DELAY_SECONDS = 10.0
LONGEST_DELAY_SECONDS = 300.0
CALM_SECONDS = 900.0
"""After this time without a repair everything is forgotten."""
OVERRULED_SECONDS = 3600.0
"""How long something that was changed on admission is left as it is before it is tried again."""
_REMEMBERED = 4096
SOMEBODY = "somebody else"
_SHOWN_FIELDS = 4

Object = Mapping[str, Any]


@dataclass(slots=True)
class _Record:
    """What we wrote to one object.

    Attributes:
        digest: hash of what we mean.
        repairs: how often the same was written again.
        written_at: when it was last written, monotonic seconds.
        overruled: what our last write came back with instead.
    """

    digest: str
    repairs: int = 0
    written_at: float = 0.0
    overruled: tuple[Difference, ...] = ()


@dataclass(slots=True)
class Contests:
    """Remembers our writes to children; one for the process."""

    clock: Callable[[], float] = time.monotonic
    _records: dict[tuple[str, str, str], _Record] = field(default_factory=dict)

    def is_overruled(self, kind: Kind, wanted: Object, live: Object) -> bool:
        """Return whether another write would come back as the last one did: as ``live``."""
        record = self._of(kind, wanted)
        if record is None or not record.overruled or self._left(record, OVERRULED_SECONDS) <= 0:
            return False
        return record.overruled == differences(live, wanted)

    def hold_seconds(self, kind: Kind, wanted: Object) -> float:
        """Return how long to leave the object as it is; 0 where it may be written now."""
        record = self._of(kind, wanted)
        if record is None or record.repairs < FREE_REPAIRS:
            return 0.0
        delay = FIRST_DELAY_SECONDS * 2.0 ** min(record.repairs - FREE_REPAIRS, 16)
        return self._left(record, min(delay, LONGEST_DELAY_SECONDS))

    def wrote(self, kind: Kind, wanted: Object, written: Object) -> tuple[Difference, ...]:
        """Remember a write and what came back of it; return what came back otherwise than written."""
        place, digest = _place(kind, wanted), _digest(wanted)
        record = self._records.pop(place, None)
        if record is None or record.digest != digest or self._left(record, CALM_SECONDS) <= 0:
            record = _Record(digest)
        else:
            record.repairs += 1
        record.written_at, record.overruled = self.clock(), differences(written, wanted)
        self._records[place] = record
        self._trim()
        return record.overruled

    def forget(self, kind: Kind, obj: Object) -> None:
        """Forget an object that we deleted ourselves."""
        self._records.pop(_place(kind, obj), None)

    def _of(self, kind: Kind, wanted: Object) -> _Record | None:
        """Return what was written, where it is what is meant now."""
        record = self._records.get(_place(kind, wanted))
        return record if record is not None and record.digest == _digest(wanted) else None

    def _left(self, record: _Record, seconds: float) -> float:
        return max(0.0, record.written_at + seconds - self.clock())

    def _trim(self) -> None:
        """Forget the oldest; the records are in the order in which they were written."""
        while len(self._records) > _REMEMBERED:
            del self._records[next(iter(self._records))]


def _place(kind: Kind, obj: Object) -> tuple[str, str, str]:
    metadata = obj["metadata"]
    return kind.plural, str(metadata.get("namespace", "")), str(metadata["name"])


def _digest(wanted: Object) -> str:
    return str(wanted["metadata"].get("annotations", {}).get(labels.DESIRED_HASH, ""))


def fields_text(found: Sequence[Difference]) -> str:
    """Return the fields in words, such as ``spec.replicas and spec.template``; for an absent object: ``everything``."""
    paths = [one.path for one in found]
    more = len(paths) - _SHOWN_FIELDS
    shown = [*paths[:_SHOWN_FIELDS], *([f"{more} more"] if more > 0 else [])]
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown) or "everything"


def writers_text(live: Object | None) -> str:
    """Return who else wrote an object, as far as it tells."""
    entries = (live or {}).get("metadata", {}).get("managedFields") or []
    others = dict.fromkeys(
        str(entry.get("manager")) for entry in entries if not entry.get("subresource") or _is_scale(entry)
    )
    named = [name for name in others if name not in (labels.FIELD_MANAGER, "None")]
    return ", ".join(named) or SOMEBODY


def _is_scale(entry: Object) -> bool:
    """Whether somebody wrote through /scale; other subresources hold nothing of ours."""
    return entry.get("subresource") == "scale"
