import os
from pathlib import Path

import pytest

from genmodel_runtime.keys import ApiKeys, KeyFolder, read_keys


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def mount(folder: Path, keys: dict[str, bytes]) -> None:
    """Write a Secret as the kubelet does: a new folder, then one link that is swapped for the old one."""
    versions = len(list(folder.glob("..20*")))
    data = folder / f"..20{versions}"
    data.mkdir(parents=True)
    for name, key in keys.items():
        (data / name).write_bytes(key)
    link = folder / "..data_tmp"
    link.symlink_to(data.name)
    link.rename(folder / "..data")
    for path in folder.iterdir():
        if not path.name.startswith("..") and path.name not in keys:
            path.unlink()
    for name in keys:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")


def test_every_entry_is_a_key_and_line_ends_are_none_of_it(tmp_path: Path) -> None:
    mount(tmp_path, {"team-a": b"alpha", "team-b": b"beta\n", "team-c": b"\tgamma\r\n"})
    keys = read_keys(tmp_path)
    assert [keys.accept(key) for key in ("alpha", "beta", "gamma")] == [True] * 3
    assert keys.unusable == ()
    assert keys.problem() == ""


@pytest.mark.parametrize("key", ["", "alph", "alphaa", "Alpha", "alpha ", "team-a", "alpha\nbeta", "\udcff", "é"])
def test_anything_else_is_no_key(tmp_path: Path, key: str) -> None:
    mount(tmp_path, {"team-a": b"alpha"})
    assert not read_keys(tmp_path).accept(key)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b" \n\n", id="only line ends"),
        pytest.param(b"two words", id="a space"),
        pytest.param(b"one\ntwo\n", id="two lines"),
        pytest.param(b"k\x00ey", id="a zero byte"),
        pytest.param("schlüssel".encode(), id="not ASCII"),
        pytest.param(b"k" * 4097, id="too long"),
    ],
)
def test_what_is_no_key_lets_nobody_in(tmp_path: Path, content: bytes) -> None:
    mount(tmp_path, {"team-a": content})
    keys = read_keys(tmp_path)
    assert (keys.hashes, keys.unusable) == ((), ("team-a",))
    assert not keys.accept("")
    assert not keys.accept(content.decode(errors="replace").strip())
    assert "no entry of the Secret is a key (team-a)" in keys.problem()
    assert keys.document() == {"keys": 0, "unusable": ["team-a"], "problem": keys.problem()}


def test_one_bad_entry_leaves_the_others(tmp_path: Path) -> None:
    mount(tmp_path, {"bad": b"", "good": b"alpha"})
    keys = read_keys(tmp_path)
    assert keys.accept("alpha")
    assert (keys.unusable, keys.problem()) == (("bad",), "")


@pytest.mark.parametrize("exists", [True, False], ids=["empty folder", "no folder"])
def test_no_entries_let_nobody_in(tmp_path: Path, exists: bool) -> None:
    folder = tmp_path if exists else tmp_path / "none"
    assert not KeyFolder(folder).keys().accept("")
    assert read_keys(folder).problem() == "the Secret has no entries"


def test_the_key_itself_is_not_kept() -> None:
    assert "alpha" not in repr(ApiKeys(hashes=(b"x" * 32,)))


def test_rotation_is_seen_within_a_second_and_read_once(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    mount(tmp_path, {"a": b"alpha", "b": b"beta"})
    folder = KeyFolder(tmp_path, clock=clock)
    first = folder.keys()
    assert first.accept("alpha")
    mount(tmp_path, {"b": b"beta", "c": b"gamma"})
    clock.now = 0.9
    assert folder.keys() is first
    clock.now = 1.0
    second = folder.keys()
    assert [second.accept(key) for key in ("alpha", "beta", "gamma")] == [False, True, True]
    clock.now = 2.0
    assert folder.keys() is second
    said = capsys.readouterr().out.splitlines()
    assert said == ["genmodel_runtime: guard: API keys: 2; entries that are none: none"] * 2


def test_a_secret_that_is_emptied_lets_nobody_in(tmp_path: Path, clock: Clock) -> None:
    mount(tmp_path, {"a": b"alpha"})
    folder = KeyFolder(tmp_path, clock=clock)
    assert folder.keys().accept("alpha")
    mount(tmp_path, {})
    clock.now = 1.0
    assert not folder.keys().accept("alpha")


def test_a_key_of_the_same_length_and_time_is_seen_by_its_file(tmp_path: Path, clock: Clock) -> None:
    mount(tmp_path, {"a": b"alpha"})
    stamp = (tmp_path / "a").stat().st_mtime_ns
    folder = KeyFolder(tmp_path, clock=clock)
    assert folder.keys().accept("alpha")
    mount(tmp_path, {"a": b"omega"})
    os.utime(tmp_path / "a", ns=(stamp, stamp))
    clock.now = 1.0
    assert folder.keys().accept("omega")
    assert not folder.keys().accept("alpha")
