"""Layers of an image: tars in which everything is the same each time but what the files hold."""

import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder that becomes a layer, with its content below `prefix` in the image (such as ``opt/vllm``)."""

    source: Path
    prefix: str


@dataclass(frozen=True, slots=True)
class Files:
    """A few small files that become a layer: path in the image to content; executable where `executable` names it."""

    content: tuple[tuple[str, bytes], ...]
    executable: frozenset[str] = frozenset()


Layer = Path | Tree | Files
"""A Path is a finished tar."""


def write_layer(layer: Layer, out: BinaryIO) -> None:
    """Write a layer as an uncompressed tar; files are copied once, straight into `out`."""
    if isinstance(layer, Path):
        _copy_tar(layer, out)
        return
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.GNU_FORMAT, bufsize=COPY_BYTES) as tar:
        if isinstance(layer, Tree):
            _add_tree(tar, layer)
        else:
            _add_files(tar, layer)


def _copy_tar(path: Path, out: BinaryIO) -> None:
    with path.open("rb") as source:
        while block := source.read(COPY_BYTES):
            out.write(block)


def _add_tree(tar: tarfile.TarFile, tree: Tree) -> None:
    for folder in _parents(tree.prefix):
        tar.addfile(_entry(folder, tarfile.DIRTYPE, mode=0o755))
    for path in _sorted_below(tree.source):
        name = f"{tree.prefix}/{path.relative_to(tree.source).as_posix()}"
        _add_path(tar, path, name)


def _add_path(tar: tarfile.TarFile, path: Path, name: str) -> None:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        entry = _entry(name, tarfile.SYMTYPE, mode=0o777)
        entry.linkname = path.readlink().as_posix()
        tar.addfile(entry)
    elif stat.S_ISDIR(found.st_mode):
        tar.addfile(_entry(name, tarfile.DIRTYPE, mode=0o755))
    elif stat.S_ISREG(found.st_mode):
        entry = _entry(name, tarfile.REGTYPE, mode=0o755 if found.st_mode & 0o100 else 0o644)
        entry.size = found.st_size
        with path.open("rb") as content:
            tar.addfile(entry, content)
    else:
        raise ValueError(f"{path} is neither file, folder nor link: it cannot be part of an image")


def _add_files(tar: tarfile.TarFile, files: Files) -> None:
    known: set[str] = set()
    for name, content in sorted(files.content):
        for folder in _parents(name.rpartition("/")[0]):
            if folder not in known:
                tar.addfile(_entry(folder, tarfile.DIRTYPE, mode=0o755))
                known.add(folder)
        entry = _entry(name, tarfile.REGTYPE, mode=0o755 if name in files.executable else 0o644)
        entry.size = len(content)
        tar.addfile(entry, BytesIO(content))


def _parents(prefix: str) -> list[str]:
    parts = [part for part in prefix.split("/") if part]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def _sorted_below(root: Path) -> Iterator[Path]:
    for path in sorted(root.iterdir(), key=lambda one: one.name):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _sorted_below(path)


def _entry(name: str, kind: bytes, *, mode: int) -> tarfile.TarInfo:
    # Time, user and group stay at their defaults, 0 and root without names, whatever the host has.
    entry = tarfile.TarInfo(name)
    entry.type = kind
    entry.mode = mode
    return entry
