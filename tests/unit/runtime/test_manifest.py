import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genmodel_runtime.manifest import Hasher, Manifest, RemoteFile, StoredFile, is_inside, total_bytes

GIT = "a" * 40
SHA256 = "b" * 64
LFS = {"oid": SHA256, "size": 1000, "pointerSize": 135}


def entry(**changes: Any) -> dict[str, Any]:
    return {"type": "file", "path": "config.json", "oid": GIT, "size": 10, **changes}


@pytest.mark.parametrize(
    ("given_entry", "want"),
    [
        pytest.param(entry(), RemoteFile("config.json", 10, GIT), id="small file"),
        pytest.param(entry(lfs=LFS, size=1000), RemoteFile("config.json", 1000, GIT, SHA256), id="LFS file"),
        pytest.param(entry(lfs=LFS, size=135), RemoteFile("config.json", 1000, GIT, SHA256), id="size of the pointer"),
        pytest.param(entry(lfs=None), RemoteFile("config.json", 10, GIT), id="explicitly no LFS file"),
        pytest.param(entry(xetHash="c" * 64, lastCommit={}), RemoteFile("config.json", 10, GIT), id="more fields"),
    ],
)
def test_a_file_of_the_hubs_list(given_entry: dict[str, Any], want: RemoteFile) -> None:
    assert RemoteFile.from_tree(given_entry) == want


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"path": "../outside"}, id="climbs out"),
        pytest.param({"path": "/etc/passwd"}, id="absolute"),
        pytest.param({"path": "a/../../b"}, id="climbs out from within"),
        pytest.param({"path": ""}, id="empty path"),
        pytest.param({"path": "a\0b"}, id="NUL"),
        pytest.param({"size": -1}, id="negative size"),
        pytest.param({"size": "10"}, id="size as text"),
        pytest.param({"oid": "main"}, id="no hash"),
        pytest.param({"oid": "../" * 13 + "a"}, id="hash that climbs"),
        pytest.param({"lfs": {**LFS, "oid": "B" * 64}}, id="hash in capitals"),
    ],
)
def test_an_odd_entry_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        RemoteFile.from_tree(entry(**changes))


@given(st.lists(st.sampled_from(["..", ".", "a", "b.json", ""]), min_size=1, max_size=5).map("/".join))
def test_a_path_that_is_inside_never_leaves(path: str) -> None:
    depth = 0
    for part in path.split("/"):
        depth += {"..": -1, ".": 0, "": 0}.get(part, 1)
        if is_inside(path):
            assert depth >= 0


def of(content: bytes, *, is_lfs: bool) -> RemoteFile:
    blob_id = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    return RemoteFile("f", len(content), blob_id, hashlib.sha256(content).hexdigest() if is_lfs else None)


@pytest.mark.parametrize("is_lfs", [pytest.param(True, id="LFS"), pytest.param(False, id="git")])
@given(content=st.binary(max_size=300), cut=st.integers(0, 300))
def test_the_hash_does_not_depend_on_the_pieces(content: bytes, cut: int, is_lfs: bool) -> None:
    hasher = Hasher(of(content, is_lfs=is_lfs))
    for piece in (content[:cut], content[cut:]):
        hasher.update(piece)

    assert hasher.matches()
    assert hasher.sha256 == hashlib.sha256(content).hexdigest()
    hasher.update(b"x")
    assert not hasher.matches()


def test_git_knows_this_hash() -> None:
    # printf 'hello\n' | git hash-object --stdin
    hasher = Hasher(RemoteFile("f", 6, "ce013625030ba8dba906f756967f9e9ca394464a"))
    hasher.update(b"hello\n")

    assert hasher.matches()


MANIFEST = Manifest("acme/x", "c" * 40, ("Pickle",), (StoredFile("1_Pooling/config.json", 10, SHA256, 1_700_000_000),))


def test_a_manifest_survives_the_volume() -> None:
    assert Manifest.decode(MANIFEST.encode()) == MANIFEST


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="empty"),
        pytest.param(MANIFEST.encode()[:-20], id="half"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(json.dumps({**json.loads(MANIFEST.encode()), "contract": 2}).encode(), id="another version"),
        pytest.param(MANIFEST.encode().replace(b"1_Pooling", b".."), id="a path that climbs"),
        pytest.param(MANIFEST.encode().replace(b'"sizeBytes": 10', b'"sizeBytes": "10"'), id="a size as text"),
        pytest.param(MANIFEST.encode().replace(b'"mtimeNs"', b'"mtime"'), id="a field is missing"),
    ],
)
def test_a_damaged_manifest_is_none(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Manifest.decode(text)


def test_sizes_add_up() -> None:
    assert total_bytes([of(b"12", is_lfs=True), of(b"345", is_lfs=False)]) == 5
