"""Faults to inject and the log of requests, both safe to use from the server's threads."""

import re
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass
class Fault:
    """What happens to requests that match; the first rule that matches and has ``times`` left wins.

    ``match`` is a regular expression on the path, ``port`` is ``hub`` or ``cdn``, None both.
    ``times`` None: for ever. Actions: answer with ``status`` (with ``headers``, ``code`` and ``msg``
    as X-Error-Code and X-Error-Message); ``delay`` seconds of silence first; ``cut`` the connection
    after that many bytes of the body; send ``bytes_per_second``; ``flip`` the byte at this offset of
    the file; claim another ``commit``; ``ignore_range``.
    """

    match: str
    method: str | None = None
    port: str | None = None
    times: int | None = 1
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str | None = None
    msg: str | None = None
    delay: float = 0.0
    cut: int | None = None
    bytes_per_second: float | None = None
    flip: int | None = None
    commit: str | None = None
    ignore_range: bool = False
    body: str | None = None

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Fault":
        unknown = set(document) - {entry.name for entry in fields(cls)}
        if unknown:
            raise ValueError(f"unknown: {sorted(unknown)}")
        return cls(**document)

    def fits(self, method: str, port: str, path: str) -> bool:
        return (
            self.times != 0
            and self.method in (None, method)
            and self.port in (None, port)
            and re.search(self.match, path) is not None
        )


class Faults:
    """The rules in force."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Fault] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._rules.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def take(self, method: str, port: str, path: str) -> Fault | None:
        """The rule for this request, counted down."""
        with self._lock:
            for rule in self._rules:
                if rule.fits(method, port, path):
                    if rule.times is not None:
                        rule.times -= 1
                    return rule
        return None


@dataclass(frozen=True)
class Entry:
    """One request. ``authorized``: whether a token was sent; the token itself is never kept."""

    port: str
    method: str
    path: str
    status: int
    range: str | None
    authorized: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class RequestLog:
    """The requests since the log was last read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Entry] = []

    def add(self, entry: Entry) -> None:
        with self._lock:
            self._entries.append(entry)

    def take(self) -> list[Entry]:
        """Read and clear."""
        with self._lock:
            entries, self._entries = self._entries, []
            return entries
