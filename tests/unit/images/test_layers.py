"""Layers: what is in them, whatever the host's users, times and masks are."""

import os
import socket
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from tests.cluster.images.layers import Files, Layer, Tree, write_layer


def entries(layer: Layer) -> dict[str, tarfile.TarInfo]:
    out = BytesIO()
    write_layer(layer, out)
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        return {member.name: member for member in tar.getmembers()}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "package" / "data").mkdir(parents=True)
    (source / "package" / "module.py").write_text("x = 1\n")
    (source / "program").write_text("#!/bin/sh\n")
    (source / "program").chmod(0o700)
    (source / "package" / "module.py").chmod(0o600)
    (source / "link").symlink_to("package/module.py")
    (source / "folder-link").symlink_to("package")
    return source


def test_a_tree_lies_below_its_prefix_with_all_folders_on_the_way(tree: Path) -> None:
    assert list(entries(Tree(tree, "opt/thing"))) == [
        "opt",
        "opt/thing",
        "opt/thing/folder-link",
        "opt/thing/link",
        "opt/thing/package",
        "opt/thing/package/data",
        "opt/thing/package/module.py",
        "opt/thing/program",
    ]


@pytest.mark.parametrize(
    ("name", "want_mode"),
    [
        pytest.param("opt/package", 0o755, id="a folder"),
        pytest.param("opt/package/module.py", 0o644, id="a file that only its owner could read"),
        pytest.param("opt/program", 0o755, id="a program that only its owner could run"),
    ],
)
def test_everybody_may_read_and_nobody_but_root_may_write(tree: Path, name: str, want_mode: int) -> None:
    assert entries(Tree(tree, "opt"))[name].mode == want_mode


def test_users_and_times_of_the_host_are_left_out(tree: Path) -> None:
    found = {(one.uid, one.gid, one.uname, one.gname, one.mtime) for one in entries(Tree(tree, "opt")).values()}
    assert found == {(0, 0, "", "", 0)}


def test_links_stay_links(tree: Path) -> None:
    found = entries(Tree(tree, "opt"))
    assert (found["opt/link"].issym(), found["opt/link"].linkname) == (True, "package/module.py")
    assert (found["opt/folder-link"].issym(), found["opt/folder-link"].linkname) == (True, "package")


def test_the_order_is_that_of_the_names(tree: Path) -> None:
    for name in ("zeta", "alpha", "Beta"):
        (tree / name).write_text(name)
    found = [name for name in entries(Tree(tree, "opt")) if name.count("/") == 1]
    assert found == sorted(found)


def test_what_cannot_be_in_an_image_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe is neither file, folder nor link"):
        entries(Tree(tmp_path, "opt"))


def test_a_socket_is_refused_too(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "listening"))
        with pytest.raises(ValueError, match="neither file, folder nor link"):
            entries(Tree(tmp_path, "opt"))


def test_small_files_come_with_their_folders_once() -> None:
    files = Files((("usr/bin/b", b"2"), ("usr/bin/a", b"1"), ("top", b"3")), frozenset({"usr/bin/a"}))
    found = entries(files)
    assert list(found) == ["top", "usr", "usr/bin", "usr/bin/a", "usr/bin/b"]
    assert (found["usr/bin/a"].mode, found["usr/bin/b"].mode) == (0o755, 0o644)
    assert [found[name].size for name in ("top", "usr/bin/a")] == [1, 1]
