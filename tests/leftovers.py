"""What tests leave behind on the control plane that they share, and which of them did.

A node that stays is planned on by the tests that come after, so that they fail or pass by their order.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_OF_THE_CLUSTER = {"namespace/default", "namespace/kube-system", "namespace/kube-public", "namespace/kube-node-lease"}

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Left:
    """An object that is still there: its name for `kubectl`, and when it was made (seconds since 1970)."""

    name: str
    namespace: str
    created: float


class Leftovers:
    """Knows when each test began and ended, and what belongs to the whole session."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._began: list[tuple[float, str]] = []
        self._kept: set[str] = set(_OF_THE_CLUSTER)
        self.kubectl: Callable[..., str] | None = None
        """How to look at the shared control plane; None while there is none."""

    def began(self, test: str) -> None:
        """Note that a test, with what is set up for it, begins now."""
        self._began.append((self._clock(), test))

    def keep(self, *names: str) -> None:
        """Let these, such as node/l4-0, stay to the end."""
        self._kept.update(names)

    def check(self) -> None:
        """Fail where something is left, naming the test; it is removed, so that it is told once."""
        if self.kubectl is None:
            return
        left = [one for one in _objects(self.kubectl) if one.name not in self._kept]
        for one in left:
            place = ["-n", one.namespace] if one.namespace else []
            self.kubectl(*place, "delete", one.name, "--ignore-not-found", "--wait=false")
        told = "".join(f"\n{one.name}, made in {self._maker(one)}" for one in left)
        assert not left, f"left behind on the shared control plane:{told}"

    def _maker(self, one: Left) -> str:
        """Return the tests that ran in the second in which the object was made."""
        ends = [*(began for began, _ in self._began[1:]), float("inf")]
        found = [
            test
            for (began, test), end in zip(self._began, ends, strict=True)
            if began < one.created + 1 and end >= one.created
        ]
        return " or ".join(found) or "no test"


def _objects(kubectl: Callable[..., str]) -> Iterator[Left]:
    """Yield the objects of these kinds that are not on their way out."""
    # The kind of models may not be installed.
    nodes_and_namespaces = json.loads(kubectl("get", "nodes,namespaces", "-o", "json"))["items"]
    models = json.loads(kubectl("get", "gm", "-A", "-o", "json", check=False) or '{"items": []}')["items"]
    ending = {found["metadata"]["name"] for found in nodes_and_namespaces if _is_ending(found)}
    for found in (*nodes_and_namespaces, *models):
        metadata = found["metadata"]
        if not _is_ending(found) and metadata.get("namespace") not in ending:
            created = datetime.fromisoformat(metadata["creationTimestamp"]).timestamp()
            yield Left(f"{found['kind'].lower()}/{metadata['name']}", metadata.get("namespace", ""), created)


def _is_ending(found: Object) -> bool:
    return "deletionTimestamp" in found["metadata"]
