"""Things that are built once: a folder per content key, built behind a lock, there whole or not at all."""

import hashlib
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.cluster.locks import file_lock
from tests.cluster.progress import say, ticking

KEY_DIGITS = 16
UNFINISHED = ".unfinished"


def content_key(*parts: str | bytes | Path) -> str:
    """Return a key that changes with any part; the part of a Path is what its file holds."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:KEY_DIGITS]


def tree_key(root: Path, files: Iterable[Path]) -> str:
    """Return a key of these files' names below root and of what they hold, whatever their order."""
    parts: list[str | bytes | Path] = []
    for path in sorted(files):
        parts += [path.relative_to(root).as_posix(), path]
    return content_key(*parts)


def built_once(folder: Path, *, what: str, why: str, keep: int, build: Callable[[Path], None]) -> Path:
    """Return folder, after `build` has filled it if it was not there yet; of its older siblings `keep` - 1 stay.

    `build` gets a temporary folder beside it, which is renamed when it is complete: an interrupted build
    leaves nothing that looks like a result, and what it left is removed by the next one.
    """
    if folder.is_dir():
        folder.touch()
        return folder
    with file_lock(folder.with_name(folder.name + ".lock"), what=what):
        if folder.is_dir():
            return folder
        unfinished = folder.with_name(folder.name + UNFINISHED)
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        say(f"{what}: {why}")
        with ticking(what):
            build(unfinished)
        unfinished.rename(folder)
        remove_oldest(folder.parent, keep=keep)
        say(f"{what}: done, kept in {folder}")
    return folder


def remove_oldest(parent: Path, *, keep: int) -> list[Path]:
    """Remove all but the `keep` folders that were used last, and return those removed; builds in progress stay."""
    built = [one for one in parent.iterdir() if one.is_dir() and one.suffix != UNFINISHED]
    oldest = sorted(built, key=lambda one: one.stat().st_mtime, reverse=True)[keep:]
    for folder in oldest:
        shutil.rmtree(folder)
    return oldest
