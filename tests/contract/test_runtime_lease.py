"""Who may write to a volume that pods share: files of one owner, seen by others on the same and on other nodes."""

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from genmodel_runtime.lease import Lease, LeaseLost

STALE_SECONDS = 600.0
"""So long that no owner gives a sign of life by itself while a test runs."""


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def made() -> Iterator[list[Lease]]:
    """Leases that are given back at the end."""
    leases: list[Lease] = []
    yield leases
    for lease in leases:
        lease.release()


class Volume:
    """A shared folder, and who uses it."""

    def __init__(self, folder: Path, made: list[Lease]) -> None:
        self.folder, self.clock, self._made = folder, Clock(), made

    def pod(self, name: str, *, node: str = "node-a", has_locks: bool = False) -> Lease:
        lease = Lease(
            self.folder / "commit",
            host=name,
            boot_id=node,
            stale_seconds=STALE_SECONDS,
            clock=self.clock,
            has_locks=has_locks,
        )
        self._made.append(lease)
        return lease

    def owner(self) -> str:
        return str(json.loads((self.folder / "commit.owner").read_text())["host"])


@pytest.fixture
def volume(tmp_path: Path, made: list[Lease]) -> Volume:
    return Volume(tmp_path, made)


BOTH = pytest.mark.parametrize("has_locks", [pytest.param(True, id="locks"), pytest.param(False, id="no locks")])


@BOTH
def test_one_owner_at_a_time(volume: Volume, has_locks: bool) -> None:
    first, second = volume.pod("one", has_locks=has_locks), volume.pod("two", has_locks=has_locks)

    assert first.try_take()
    assert not second.try_take()
    first.release()
    assert second.try_take()
    assert volume.owner() == "two"
    assert not first.is_mine


@BOTH
def test_nothing_is_left_behind(volume: Volume, has_locks: bool) -> None:
    lease = volume.pod("one", has_locks=has_locks)
    lease.try_take()
    lease.release()
    lease.release()

    assert list(volume.folder.iterdir()) == []


def test_an_owner_that_counts_on_keeps_its_right_for_ever(volume: Volume) -> None:
    owner, other = volume.pod("one"), volume.pod("two", node="node-b")
    owner.try_take()
    for _ in range(5):
        assert not other.try_take()
        volume.clock.now += STALE_SECONDS - 1
        owner.confirm()

    assert not other.try_take()
    owner.check()


def test_an_owner_that_stands_still_is_replaced_and_notices(volume: Volume) -> None:
    owner, other = volume.pod("one"), volume.pod("two", node="node-b")
    owner.try_take()
    assert not other.try_take()
    volume.clock.now += STALE_SECONDS

    assert other.try_take()
    with pytest.raises(LeaseLost):
        owner.check()
    owner.release()
    assert volume.owner() == "two"
    other.check()


def test_no_two_clocks_are_compared(volume: Volume) -> None:
    owner, other = volume.pod("one"), volume.pod("two", node="node-b")
    owner.try_take()
    # What a node writes whose clock is ten years ahead, or some minutes behind.
    for moment in (2_000_000_000 + 10 * 365 * 86400, (volume.folder / "commit.owner").stat().st_mtime - 1000):
        os.utime(volume.folder / "commit.owner", (moment, moment))
        assert not other.try_take()
        volume.clock.now += STALE_SECONDS / 3


def test_what_nobody_touched_for_an_hour_is_taken_at_the_first_look(volume: Volume) -> None:
    volume.pod("one").try_take()
    hour_ago = (volume.folder / "commit.owner").stat().st_mtime - 3601
    os.utime(volume.folder / "commit.owner", (hour_ago, hour_ago))

    assert volume.pod("two", node="node-b").try_take()


def leave(volume: Volume, name: str, node: str, *, locks: bool = True) -> None:
    """Leave what a killed owner leaves: its file, and no lock."""
    document = {"id": "0" * 32, "host": name, "boot": node, "locks": locks, "beats": 1}
    (volume.folder / "commit.owner").write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("name", "node", "locks", "want_at_once"),
    [
        pytest.param("two", "node-a", True, True, id="another pod of this node"),
        pytest.param("one", "node-a rebooted", True, True, id="this pod before its node went down"),
        pytest.param("two", "node-b", True, False, id="a pod of another node"),
        pytest.param("two", "node-a", False, False, id="a pod of this node that had no lock"),
    ],
)
def test_the_dead_owner_was(volume: Volume, name: str, node: str, locks: bool, want_at_once: bool) -> None:
    leave(volume, name, node, locks=locks)
    lease = volume.pod("one", has_locks=True)

    assert lease.try_take() == want_at_once
    volume.clock.now += STALE_SECONDS
    assert want_at_once or lease.try_take()


def test_a_lock_that_hangs_is_not_waited_for(volume: Volume) -> None:
    leave(volume, "two", "node-a")
    with (volume.folder / "commit.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        lease = volume.pod("one", has_locks=True)
        assert not lease.try_take()
        volume.clock.now += STALE_SECONDS
        assert lease.try_take()
        assert volume.owner() == "one"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"], ids=["empty", "cut", "no object", "no text"])
def test_an_owner_that_cannot_be_read_is_one(volume: Volume, content: bytes) -> None:
    (volume.folder / "commit.owner").write_bytes(content)
    lease = volume.pod("one", has_locks=True)

    assert not lease.try_take()
    volume.clock.now += STALE_SECONDS
    assert lease.try_take()


def test_of_two_that_wait_for_a_dead_owner_one_gets_it(volume: Volume) -> None:
    leave(volume, "dead", "node-c")
    first, second = volume.pod("one"), volume.pod("two", node="node-b")
    assert not first.try_take()
    assert not second.try_take()
    volume.clock.now += STALE_SECONDS

    assert first.try_take()
    assert not second.try_take()
    volume.clock.now += STALE_SECONDS / 4
    assert not second.try_take()
    first.check()


def test_a_late_grave_digger_puts_back_who_lives(volume: Volume) -> None:
    leave(volume, "dead", "node-c")
    late = volume.pod("late", node="node-b")
    assert not late.try_take()
    seen = (volume.folder / "commit.owner").read_bytes()
    volume.clock.now += STALE_SECONDS
    (volume.folder / "commit.owner").unlink()
    living = volume.pod("living")
    living.try_take()

    assert not late._bury(seen)
    assert volume.owner() == "living"
    living.confirm()
    assert {path.name for path in volume.folder.iterdir()} == {"commit.owner"}


def test_an_owner_whose_file_is_gone_has_lost(volume: Volume) -> None:
    lease = volume.pod("one")
    lease.try_take()
    (volume.folder / "commit.owner").unlink()

    with pytest.raises(LeaseLost):
        lease.confirm()
    with pytest.raises(LeaseLost):
        lease.check()
