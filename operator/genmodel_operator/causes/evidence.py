"""What is read beside the pods where their own status does not tell enough: Events, nodes, the time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from genmodel_operator.causes.cause import Object


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was read about pods in trouble; whatever is missing is unknown.

    Attributes:
        events: Events about a pod (of ``events.k8s.io/v1``) by the pod's name.
        nodes: live nodes by name; None: the node is gone.
        now: time of the reading; None: nothing that depends on time is told.
        old_in_seconds: when it is worth reading again what was read a moment before; None: all of it is new.
    """

    events: Mapping[str, Sequence[Object]] = field(default_factory=dict)
    nodes: Mapping[str, Object | None] = field(default_factory=dict)
    now: datetime | None = None
    old_in_seconds: float | None = None

    def seconds_since(self, stamp: object) -> float | None:
        """Return how long ago an RFC 3339 time was; None where either is unknown."""
        moment = told_time(stamp)
        if self.now is None or moment is None:
            return None
        return (self.now - moment).total_seconds()

    def latest(self, pod: Object, wanted: Callable[[Object], bool]) -> Object | None:
        """Return the newest Event about a pod of those that are wanted."""
        found = [event for event in self.events.get(pod["metadata"]["name"], ()) if wanted(event)]
        return max(found, key=event_time, default=None)


NOTHING = Evidence()


def parse_time(stamp: str) -> datetime:
    """Return an RFC 3339 time of the API."""
    return datetime.fromisoformat(stamp)


def told_time(stamp: object) -> datetime | None:
    """Return an RFC 3339 time that a pod told, None where it is none: what pods tell is not to be trusted."""
    try:
        moment = parse_time(str(stamp))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def event_time(event: Object) -> datetime:
    """Return when an Event was last seen."""
    series = event.get("series") or {}
    stamps = (
        series.get("lastObservedTime"),
        event.get("deprecatedLastTimestamp"),
        event.get("eventTime"),
        event["metadata"].get("creationTimestamp"),
    )
    return max(parse_time(stamp) for stamp in stamps if stamp)


def reporter(event: Object) -> str:
    """Return who reported an Event, such as kubelet or karpenter."""
    return str(event.get("reportingController") or (event.get("deprecatedSource") or {}).get("component") or "")


def of_reasons(*reasons: str) -> Callable[[Object], bool]:
    """Return a filter of Events by their reason."""
    return lambda event: event.get("reason") in reasons


def since_words(stamp: object) -> str:
    """Return words such as ``since 10:31:05 UTC`` for an RFC 3339 time, nothing where it is none.

    A moment, not a duration: a duration in a message would be a write of the status each second.
    """
    moment = told_time(stamp)
    return f"since {moment:%H:%M:%S} UTC" if moment else ""
