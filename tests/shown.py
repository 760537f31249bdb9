"""What a person reads of a model: its line in `kubectl get gm`, and `kubectl describe gm` with the Events."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

Kubectl = Callable[..., str]
WAIT_SECONDS = 60.0
_EVENT = re.compile(r"^ +(Normal|Warning) +(\S+) +(.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Event:
    """An Event as `kubectl describe` lists it; ``rest`` is its age, who told it, and what was told."""

    kind: str
    reason: str
    rest: str

    def __str__(self) -> str:
        return f"{self.kind} {self.reason}"


@dataclass(frozen=True, slots=True)
class Shown:
    """One look at a model: columns of its line, the description with single spaces, and its Events."""

    row: Mapping[str, str]
    text: str
    events: tuple[Event, ...]

    @property
    def warnings(self) -> list[str]:
        """Reasons of the Warnings."""
        return [event.reason for event in self.events if event.kind == "Warning"]


def row_of(kubectl: Kubectl, namespace: str, name: str) -> dict[str, str]:
    """Return the line of `kubectl get gm` by column; cells hold spaces, so the head's places cut it."""
    head, line = kubectl("-n", namespace, "get", "gm", name).splitlines()
    starts = [head.index(column) for column in head.split()]
    ends = [*starts[1:], len(line) + 1]
    return {column: line[start:end].strip() for column, start, end in zip(head.split(), starts, ends, strict=True)}


def look(kubectl: Kubectl, namespace: str, name: str) -> Shown:
    """Look at a model once."""
    described = kubectl("-n", namespace, "describe", "gm", name)
    text, _, events = described.partition("\nEvents:")
    found = tuple(Event(*match.groups()) for match in _EVENT.finditer(events))
    return Shown(row_of(kubectl, namespace, name), " ".join(text.split()), found)


def assert_shown(
    kubectl: Kubectl,
    namespace: str,
    name: str,
    *,
    reason: str,
    words: str | tuple[str, ...],
    event: str = "",
    row: Mapping[str, str] | None = None,
    seconds: float = WAIT_SECONDS,
) -> Shown:
    """Wait until a person sees all of it, else fail with what they see instead.

    The line shows ``reason`` and the cells of ``row``; the description has the reason and all ``words``; and
    ``event``, such as `Warning ModelGated`, says the first of the words.
    """
    wanted = (words,) if isinstance(words, str) else words
    deadline = time.monotonic() + seconds
    while True:
        shown = look(kubectl, namespace, name)
        missing = list(_missing(shown, reason, wanted, event, {**(row or {}), "REASON": reason}))
        if not missing:
            return shown
        if time.monotonic() > deadline:
            raise AssertionError(f"{namespace}/{name}, not within {seconds:.0f} s: {missing}\nbut {_told(shown)}")
        time.sleep(0.3)


def _missing(shown: Shown, reason: str, words: tuple[str, ...], event: str, row: Mapping[str, str]) -> Iterator[str]:
    yield from (f"{column} is {want}" for column, want in row.items() if shown.row.get(column) != want)
    if f"Reason: {reason}" not in shown.text:
        yield f"the description has the reason {reason}"
    yield from (f"the description says: {word}" for word in words if word not in shown.text)
    told = [found.rest for found in shown.events if str(found) == event]
    if event and not any(words[0] in rest for rest in told):
        yield f"an Event {event} says: {words[0]}"


def _told(shown: Shown) -> str:
    events = "\n".join(f"{event}: {event.rest}" for event in shown.events)
    return f"the line is {dict(shown.row)}\nthe description {shown.text}\nthe Events\n{events}"
