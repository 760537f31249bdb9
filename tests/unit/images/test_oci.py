"""Archives of images: what containerd and buildah read, and the same bytes each time."""

import hashlib
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.containerd import archived_image
from tests.cluster.images.layers import Files, Layer, Tree
from tests.cluster.images.oci import unpacked_bytes, write_archive

NAME = "genmodel.local/thing:dev"
CONFIG = {"Entrypoint": ["/thing"], "User": "10001:10001"}
LAYERS: list[Layer] = [Files((("etc/thing", b"one\n"),)), Files((("thing", b"#!/bin/sh\n"),), frozenset({"thing"}))]


def written(folder: Path, layers: list[Layer] = LAYERS) -> Path:
    archive = folder / "image.tar"
    write_archive(archive, NAME, layers, CONFIG)
    return archive


def blobs(archive: Path) -> Mapping[str, bytes]:
    with tarfile.open(archive) as opened:
        members = [member for member in opened.getmembers() if member.isfile()]
        return {member.name: opened.extractfile(member).read() for member in members}  # type: ignore[union-attr]


def followed(archive: Path) -> tuple[Any, Any, list[bytes]]:
    """Return manifest, configuration and layers of an archive, as its index leads to them."""
    found = blobs(archive)

    def blob(descriptor: Mapping[str, Any]) -> bytes:
        data = found["blobs/" + descriptor["digest"].replace(":", "/")]
        assert len(data) == descriptor["size"]
        return data

    manifest = json.loads(blob(json.loads(found["index.json"])["manifests"][0]))
    return manifest, json.loads(blob(manifest["config"])), [blob(layer) for layer in manifest["layers"]]


def test_every_blob_has_the_name_of_its_digest(tmp_path: Path) -> None:
    found = blobs(written(tmp_path))
    named = {name: data for name, data in found.items() if name.startswith("blobs/")}
    assert len(named) == len(LAYERS) + 2
    assert [name for name, data in named.items() if name != f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"] == []


def test_the_index_leads_to_everything(tmp_path: Path) -> None:
    manifest, config, layers = followed(written(tmp_path))
    assert config["config"] == CONFIG
    assert (config["os"], config["architecture"]) == ("linux", "amd64")
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]
    assert {layer["mediaType"] for layer in manifest["layers"]} == {"application/vnd.oci.image.layer.v1.tar"}
    assert json.loads(blobs(written(tmp_path))["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}


def test_the_digest_returned_is_the_manifest_s_and_the_name_is_the_image_s(tmp_path: Path) -> None:
    digest = write_archive(tmp_path / "image.tar", NAME, LAYERS, CONFIG)
    found = archived_image(tmp_path / "image.tar")
    assert (found.name, found.digest) == (NAME, digest)


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    source = tmp_path / "source"
    archives = []
    for name, moment in (("first", 1), ("second", 2_000_000_000)):
        (tmp_path / name).mkdir()
        source.mkdir(exist_ok=True)
        (source / "file").write_text("content")
        os.utime(source / "file", (moment, moment))
        archives.append(written(tmp_path / name, [*LAYERS, Tree(source, "opt/source")]).read_bytes())
    assert archives[0] == archives[1]


@pytest.mark.parametrize(
    ("layers", "config"),
    [
        pytest.param([Files((("etc/thing", b"two\n"),))], CONFIG, id="another file"),
        pytest.param(LAYERS, {**CONFIG, "User": "0:0"}, id="another user"),
        pytest.param(LAYERS[::-1], CONFIG, id="another order of layers"),
    ],
)
def test_another_input_gives_another_digest(layers: list[Layer], config: dict[str, object], tmp_path: Path) -> None:
    first = write_archive(tmp_path / "first.tar", NAME, LAYERS, CONFIG)
    assert write_archive(tmp_path / "second.tar", NAME, layers, config) != first


def test_a_build_that_fails_leaves_no_archive_and_keeps_the_one_before(tmp_path: Path) -> None:
    archive = written(tmp_path)
    before = archive.read_bytes()
    with pytest.raises(FileNotFoundError):
        write_archive(archive, NAME, [tmp_path / "no-such-layer.tar"], CONFIG)
    assert archive.read_bytes() == before


def test_a_finished_tar_is_taken_as_it_is(tmp_path: Path) -> None:
    rootfs = tmp_path / "rootfs.tar"
    with tarfile.open(rootfs, "w") as tar:
        tar.addfile(tarfile.TarInfo("etc"))
    _, _, layers = followed(written(tmp_path, [rootfs]))
    assert layers == [rootfs.read_bytes()]


def test_what_an_image_takes_unpacked(tmp_path: Path) -> None:
    assert unpacked_bytes(written(tmp_path)) == len(b"one\n") + len(b"#!/bin/sh\n")


def test_a_file_that_is_a_tar_itself_counts_once(tmp_path: Path) -> None:
    inner = written(tmp_path).read_bytes()
    folder = tmp_path / "outer"
    folder.mkdir()
    assert unpacked_bytes(written(folder, [Files((("image.tar", inner),))])) == len(inner)
