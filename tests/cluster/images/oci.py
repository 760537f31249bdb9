"""Writes an image as an OCI archive, without a container engine and without a registry.

``ctr images import`` and ``buildah pull oci-archive:`` take it. Layers go into the archive as they are made:
the largest is 2.6 GB, and is written once.
"""

import hashlib
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from tests.cluster.images.layers import Layer, write_layer

OCI = "application/vnd.oci.image"
NO_DIGEST = "0" * 64
BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True, slots=True)
class _Blob:
    digest: str
    size: int

    def descriptor(self, media_type: str) -> dict[str, object]:
        return {"mediaType": media_type, "digest": self.digest, "size": self.size}


def write_archive(out: Path, name: str, layers: Sequence[Layer], config: Mapping[str, object]) -> str:
    """Write the image `name` (such as ``genmodel.local/operator:dev``) to `out` and return its manifest's digest.

    `config` is the image's configuration as in the OCI specification: ``Env``, ``Entrypoint``, ``User`` and so
    on. The same input gives the same archive, byte for byte.
    """
    unfinished = out.with_name(out.name + ".unfinished")
    with unfinished.open("wb+") as file:
        digest = _write(file, name, layers, config)
    unfinished.rename(out)
    return digest


def unpacked_bytes(archive: Path) -> int:
    """Return what the files of an archive's layers take on a disk, without the space that blocks waste."""
    total = 0
    with tarfile.open(archive) as opened:
        for member in opened:
            blob = opened.extractfile(member)
            if blob is None or not _is_tar(blob):
                continue
            with tarfile.open(fileobj=blob, mode="r:") as layer:
                total += sum(entry.size for entry in layer if entry.isfile())
    return total


def _is_tar(blob: IO[bytes]) -> bool:
    head = blob.read(BLOCK)
    blob.seek(0)
    return head[257:262] == b"ustar"


def _write(file: BinaryIO, name: str, layers: Sequence[Layer], config: Mapping[str, object]) -> str:
    blobs = [_append_layer(file, layer) for layer in layers]
    image = {
        "architecture": "amd64",
        "os": "linux",
        "config": dict(config),
        "rootfs": {"type": "layers", "diff_ids": [blob.digest for blob in blobs]},
    }
    image_blob = _append_json(file, image)
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": image_blob.descriptor(f"{OCI}.config.v1+json"),
        "layers": [blob.descriptor(f"{OCI}.layer.v1.tar") for blob in blobs],
    }
    manifest_blob = _append_json(file, manifest)
    names = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
    index = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.index.v1+json",
        "manifests": [{**manifest_blob.descriptor(f"{OCI}.manifest.v1+json"), "annotations": names}],
    }
    _append(file, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    _append(file, "index.json", _json(index))
    file.write(bytes(2 * BLOCK))
    return manifest_blob.digest


def _append_layer(file: BinaryIO, layer: Layer) -> _Blob:
    """Write the layer first and its header, which names digest and size, afterwards."""
    header_at = file.tell()
    file.write(_header(f"blobs/sha256/{NO_DIGEST}", 0))
    start = file.tell()
    hashing = _HashingWriter(file)
    write_layer(layer, hashing)  # type: ignore[arg-type] # tarfile writes a stream and only ever calls write
    size = file.tell() - start
    digest = hashing.digest.hexdigest()
    file.write(bytes(-size % BLOCK))
    end = file.tell()
    file.seek(header_at)
    file.write(_header(f"blobs/sha256/{digest}", size))
    file.seek(end)
    return _Blob(f"sha256:{digest}", size)


def _append_json(file: BinaryIO, value: object) -> _Blob:
    data = _json(value)
    digest = hashlib.sha256(data).hexdigest()
    _append(file, f"blobs/sha256/{digest}", data)
    return _Blob(f"sha256:{digest}", len(data))


def _append(file: BinaryIO, name: str, data: bytes) -> None:
    file.write(_header(name, len(data)) + data + bytes(-len(data) % BLOCK))


def _header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = 0o644
    # GNU's format has room for sizes above 8 GiB in the same one block.
    return entry.tobuf(format=tarfile.GNU_FORMAT)


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


class _HashingWriter:
    """Passes on what is written and keeps its digest."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        return self._file.write(data)
