import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.leftovers import Leftovers

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()


class Plane:
    """A control plane that holds these objects, and a clock."""

    def __init__(self) -> None:
        self.now = NOON
        self.objects: list[dict[str, Any]] = []
        self.deleted: list[str] = []

    def make(self, kind: str, name: str, namespace: str = "", *, ending: bool = False) -> None:
        created = datetime.fromtimestamp(self.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        metadata = {"name": name, "creationTimestamp": created}
        metadata |= {"namespace": namespace} if namespace else {}
        metadata |= {"deletionTimestamp": created} if ending else {}
        self.objects.append({"kind": kind, "metadata": metadata})

    def kubectl(self, *args: str, check: bool = True) -> str:
        if "delete" in args:
            self.deleted.append(args[args.index("delete") + 1])
            return ""
        if args[1] == "gm" and not any(one["kind"] == "GenerativeModel" for one in self.objects):
            assert not check
            return ""
        models = args[1] == "gm"
        return json.dumps({"items": [one for one in self.objects if (one["kind"] == "GenerativeModel") is models]})


@pytest.fixture
def plane() -> Plane:
    found = Plane()
    found.make("Namespace", "default")
    return found


@pytest.fixture
def noted(plane: Plane) -> Leftovers:
    found = Leftovers(clock=lambda: plane.now)
    found.kubectl = plane.kubectl
    return found


def test_the_test_that_left_something_is_named(plane: Plane, noted: Leftovers) -> None:
    for test in ("first", "second", "third"):
        plane.now += 10
        noted.began(test)
        if test == "second":
            plane.now += 2.5
            plane.make("Node", "h100-0")
            plane.make("Namespace", "team-1")
            plane.make("GenerativeModel", "tiny", "team-1")
    with pytest.raises(AssertionError) as error:
        noted.check()
    told = str(error.value).splitlines()
    assert told[1:] == [
        "node/h100-0, made in second",
        "namespace/team-1, made in second",
        "generativemodel/tiny, made in second",
    ]
    assert plane.deleted == ["node/h100-0", "namespace/team-1", "generativemodel/tiny"], "it is told only once"


def test_tests_of_one_second_are_all_named(plane: Plane, noted: Leftovers) -> None:
    for test in ("first", "second", "third"):
        noted.began(test)
        plane.now += 0.25
    plane.make("Node", "h100-0")
    plane.now += 10
    noted.began("fourth")
    with pytest.raises(AssertionError, match=r"h100-0, made in first or second or third$"):
        noted.check()


@pytest.mark.parametrize(
    ("kind", "name", "namespace", "ending"),
    [
        pytest.param("Node", "l4-0", "", False, id="a node for the whole session"),
        pytest.param("Node", "vendor-0", "", True, id="a node on its way out"),
        pytest.param("Namespace", "team-1", "", True, id="a namespace on its way out"),
        pytest.param("GenerativeModel", "tiny", "going", False, id="a model in such a namespace"),
    ],
)
def test_what_may_be_there(plane: Plane, noted: Leftovers, kind: str, name: str, namespace: str, ending: bool) -> None:
    noted.keep("node/l4-0")
    plane.make("Namespace", "going", ending=True)
    plane.make(kind, name, namespace, ending=ending)
    noted.check()
    assert plane.deleted == []


def test_without_a_control_plane_nothing_is_asked() -> None:
    Leftovers().check()
