"""Old commits leave a shared volume: those that the operator's Jobs brought and that no model uses any more.

Each Job notes under ``<models>/.used/<commit>`` for which claim it brought a commit; the note's time is its last
use. What has no note, or the note of another claim on the same disk, is somebody else's and stays.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from genmodel_runtime.console import say
from genmodel_runtime.contract import Env
from genmodel_runtime.settings import SettingsError
from genmodel_runtime.volume import Volume, volume_errors

NOTES = ".used"
CLOCK_MARGIN_SECONDS = 600.0
"""Clocks of operator, nodes and file servers differ; what was used later than this before the list stays."""
_COMMIT = re.compile(r"[0-9a-f]{40}")
_CLAIM = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True)
class InUse:
    """What the models of a claim use, as the operator knew it.

    Attributes:
        claim: uid of the claim.
        serving: commits of revisions that run or are to run.
        kept: commits of revisions that are kept for going back; they go where there is no room.
        as_of: when the operator made the list, in seconds since 1970.
    """

    claim: str
    serving: frozenset[str]
    kept: frozenset[str]
    as_of: float


def in_use(environ: Mapping[str, str]) -> InUse:
    """Return what the operator says is in use; raises ``SettingsError``."""
    text = environ.get(Env.IN_USE.value, "")
    try:
        document = json.loads(text)
        claim, as_of = str(document["claim"]), float(document["asOf"])
        serving, kept = (frozenset(map(str, document[name])) for name in ("serving", "kept"))
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{Env.IN_USE.value}: {text!r} does not tell what is in use: {error!r}") from error
    if not _CLAIM.fullmatch(claim):
        raise SettingsError(f"{Env.IN_USE.value}: {claim!r} is not the uid of a claim")
    return InUse(claim, serving, kept, as_of)


def note_use(models_dir: Path, commit: str, claim: str) -> None:
    """Note that a commit is used now, for this claim; raises ``VolumeBroken``."""
    note = models_dir / NOTES / commit
    with volume_errors(models_dir):
        note.parent.mkdir(parents=True, exist_ok=True)
        claims = _claims(note)
        if claim not in claims:
            _write(note, claims | {claim})
        os.utime(note)


def sweep(models_dir: Path, used: InUse, *, keep: frozenset[str]) -> list[str]:
    """Remove commits that are not to be kept and that nobody fetches; return them. Raises ``VolumeBroken``."""
    with volume_errors(models_dir):
        return [commit for commit in sorted(_candidates(models_dir, used, keep)) if _remove(models_dir, commit, used)]


def make_room(models_dir: Path, commit: str, used: InUse, *, needed_bytes: int) -> list[str]:
    """Remove what is kept only for going back, where else ``commit`` would find no room; return what went."""
    with volume_errors(models_dir):
        present = sum(_bytes_below(folder) for folder in (models_dir / commit, models_dir / ".partial" / commit))
        free = shutil.disk_usage(models_dir).free
    if needed_bytes - present <= free:
        return []
    return sweep(models_dir, used, keep=used.serving | {commit})


def _candidates(models_dir: Path, used: InUse, keep: frozenset[str]) -> Iterator[str]:
    notes = models_dir / NOTES
    for note in notes.iterdir() if notes.is_dir() else ():
        if _COMMIT.fullmatch(note.name) and note.name not in keep and _is_old(note, used):
            yield note.name


def _is_old(note: Path, used: InUse) -> bool:
    return _claims(note) == {used.claim} and note.stat().st_mtime < used.as_of - CLOCK_MARGIN_SECONDS


def _remove(models_dir: Path, commit: str, used: InUse) -> bool:
    """Remove one commit under its lock; whoever wants it at the same time notes that first, and then waits."""
    volume, note = Volume(models_dir, commit), models_dir / NOTES / commit
    volume.create()
    with volume.try_lock() as is_free:
        if not is_free or not _is_old(note, used):
            return False
        # First the mark of completeness: what is left by a power cut is not served.
        volume.forget_manifest()
        shutil.rmtree(volume.model_dir)
        note.unlink(missing_ok=True)
        volume.remove_partials()
    say(f"removed commit {commit}, which no model uses any more")
    return True


def _claims(note: Path) -> set[str]:
    try:
        return set(note.read_text(encoding="ascii").split())
    except FileNotFoundError:
        return set()
    except UnicodeDecodeError:
        # Not written by us: nobody's claim has such a uid, so the commit stays.
        return {"?"}


def _write(note: Path, claims: set[str]) -> None:
    new = note.with_name(f"{note.name}.{os.getpid()}.new")
    new.write_text("\n".join(sorted(claims)) + "\n", encoding="ascii")
    new.replace(note)


def _bytes_below(folder: Path) -> int:
    """Return what a folder's files take of the disk; those on their way have holes."""
    found = [path.lstat() for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    return sum(min(entry.st_size, entry.st_blocks * 512) for entry in found)
