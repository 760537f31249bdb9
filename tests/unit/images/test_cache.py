"""Things that are built once: the keys, and what an interrupted build leaves."""

import os
import threading
from pathlib import Path

import pytest

from tests.cluster.images.cache import built_once, content_key, remove_oldest, tree_key


def build_in(folder: Path, content: str = "built") -> Path:
    return built_once(folder, what="a build", why="a test", keep=2, build=lambda at: writes(at, content))


def writes(folder: Path, content: str) -> None:
    (folder / "result").write_text(content)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(("ab", "c"), ("a", "bc"), id="the same text split elsewhere"),
        pytest.param(("a",), ("a", ""), id="an empty part more"),
        pytest.param(("a", "b"), ("b", "a"), id="another order"),
    ],
)
def test_other_parts_give_another_key(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert content_key(*one) != content_key(*other)


def test_a_file_counts_by_what_it_holds(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text("same")
    assert content_key(tmp_path / "one") == content_key(tmp_path / "two") == content_key("same") == content_key(b"same")


def test_a_tree_counts_by_names_and_content_but_not_by_place_or_order(tmp_path: Path) -> None:
    keys = []
    for root in (tmp_path / "here", tmp_path / "there"):
        root.mkdir()
        files = [root / name for name in ("b", "a")]
        for file in files:
            file.write_text(file.name)
        keys += [tree_key(root, files), tree_key(root, files[::-1])]
    (tmp_path / "here" / "a").rename(tmp_path / "here" / "c")
    renamed = tree_key(tmp_path / "here", [tmp_path / "here" / "b", tmp_path / "here" / "c"])
    assert len(set(keys)) == 1
    assert renamed not in keys


def test_what_is_there_is_not_built_again(tmp_path: Path) -> None:
    folder = tmp_path / "key"
    assert (build_in(folder, "first") / "result").read_text() == "first"
    assert (build_in(folder, "second") / "result").read_text() == "first"


def test_a_build_that_fails_leaves_nothing_that_looks_like_a_result(tmp_path: Path) -> None:
    def fails(at: Path) -> None:
        writes(at, "half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        built_once(tmp_path / "key", what="a build", why="a test", keep=2, build=fails)
    assert not (tmp_path / "key").exists()
    assert (build_in(tmp_path / "key") / "result").read_text() == "built"
    assert not (tmp_path / "key.unfinished").exists()


def test_two_at_once_build_once(tmp_path: Path) -> None:
    builds: list[str] = []

    def slow(at: Path) -> None:
        builds.append(threading.current_thread().name)
        writes(at, "built")

    def wants() -> None:
        built_once(tmp_path / "key", what="a build", why="a test", keep=2, build=slow)

    threads = [threading.Thread(target=wants) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(builds) == 1


def test_the_folders_used_last_stay(tmp_path: Path) -> None:
    for moment, name in enumerate(("oldest", "older", "newest", "working.unfinished")):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (moment, moment))
    (tmp_path / "key.lock").touch()
    assert remove_oldest(tmp_path, keep=1) == [tmp_path / "older", tmp_path / "oldest"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key.lock", "newest", "working.unfinished"]
