"""A file on its way: what of it is still there after a kill, a reboot and damage."""

import os
from pathlib import Path

import pytest

from genmodel_runtime.partial import Partial, journal_of, this_boot

SIZE, PIECE = 1000, 300


def a_partial(folder: Path, *, boot_id: str = "boot-1", size_bytes: int = SIZE, piece_bytes: int = PIECE) -> Partial:
    partial = Partial(
        folder / "file", size_bytes=size_bytes, piece_bytes=piece_bytes, boot_id=boot_id, clock=lambda: 0.0
    )
    partial.load()
    return partial


def begun(folder: Path, written: list[int]) -> None:
    """Leave what a process leaves that wrote so much of each piece and was killed."""
    partial = a_partial(folder)
    partial.open()
    for piece, count in zip(partial.pieces, written, strict=True):
        partial.write(piece, bytes([1 + piece.start // PIECE]) * count)
    partial.close()


def counts(partial: Partial) -> list[int]:
    return [piece.written for piece in partial.pieces]


def test_a_new_file_has_its_pieces_and_nothing_in_them(tmp_path: Path) -> None:
    partial = a_partial(tmp_path)

    assert [(piece.start, piece.stop) for piece in partial.pieces] == [(0, 300), (300, 600), (600, 900), (900, 1000)]
    assert (partial.present_bytes, partial.frontier, partial.is_whole) == (0, 0, False)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_whole_from_the_beginning(tmp_path: Path) -> None:
    partial = a_partial(tmp_path, size_bytes=0)

    assert (partial.pieces, partial.is_whole, partial.frontier) == ([], True, 0)


@pytest.mark.parametrize(
    ("written", "want_frontier", "want_whole"),
    [
        pytest.param([300, 300, 300, 100], 1000, True, id="all"),
        pytest.param([300, 20, 300, 100], 320, False, id="a gap in the second"),
        pytest.param([0, 300, 300, 100], 0, False, id="only the first is missing"),
    ],
)
def test_a_killed_process_loses_nothing(
    tmp_path: Path, written: list[int], want_frontier: int, want_whole: bool
) -> None:
    begun(tmp_path, written)
    partial = a_partial(tmp_path)

    assert counts(partial) == written
    assert (partial.frontier, partial.is_whole) == (want_frontier, want_whole)


def test_a_reboot_loses_what_was_not_on_the_disk(tmp_path: Path) -> None:
    now = [0.0]
    partial = Partial(tmp_path / "file", size_bytes=SIZE, piece_bytes=PIECE, boot_id="boot-1", clock=lambda: now[0])
    partial.load()
    partial.open()
    partial.write(partial.pieces[1], b"x" * 200)
    now[0] = 6.0
    partial.write(partial.pieces[0], b"x" * 50)
    partial.write(partial.pieces[0], b"x" * 50)
    partial.close()

    assert counts(a_partial(tmp_path)) == [100, 200, 0, 0]
    assert counts(a_partial(tmp_path, boot_id="boot-2")) == [50, 200, 0, 0]
    # A kernel that does not say which boot it is proves nothing.
    assert counts(a_partial(tmp_path, boot_id="")) == [50, 200, 0, 0]


@pytest.mark.parametrize(
    ("damage", "want"),
    [
        pytest.param(lambda data, journal: os.truncate(data, 350), [300, 20, 0, 0], id="the data were cut"),
        pytest.param(lambda data, journal: data.unlink(), [0, 0, 0, 0], id="the data are gone"),
        pytest.param(lambda data, journal: os.truncate(data, 1001), [0, 0, 0, 0], id="longer than the file can be"),
        pytest.param(lambda data, journal: journal.unlink(), [300, 300, 300, 5], id="no journal: from the beginning"),
        pytest.param(lambda data, journal: os.truncate(journal, 70), [300, 300, 300, 5], id="the journal was cut"),
        pytest.param(lambda data, journal: os.truncate(journal, 3), [300, 300, 300, 5], id="the journal is no header"),
        pytest.param(
            lambda data, journal: journal.write_bytes(b"x" * 200), [300, 300, 300, 5], id="the journal is another file"
        ),
    ],
)
def test_damage(tmp_path: Path, damage: object, want: list[int]) -> None:
    begun(tmp_path, [300, 20, 0, 5])
    assert callable(damage)
    damage(tmp_path / "file", journal_of(tmp_path / "file"))

    assert counts(a_partial(tmp_path)) == want


def test_pieces_keep_the_size_that_they_were_begun_with(tmp_path: Path) -> None:
    begun(tmp_path, [300, 20, 0, 5])
    partial = a_partial(tmp_path, piece_bytes=64)
    partial.open()
    partial.write(partial.pieces[1], b"\2" * 280)
    partial.close()

    assert counts(a_partial(tmp_path, piece_bytes=7)) == [300, 300, 0, 5]


def test_pieces_are_joined_as_far_as_there_is_no_gap(tmp_path: Path) -> None:
    begun(tmp_path, [300, 20, 300, 5])
    partial = a_partial(tmp_path)
    partial.open()
    partial.join_pieces()
    partial.write(partial.pieces[0], b"\2" * 10)
    partial.close()

    again = a_partial(tmp_path)
    assert counts(again) == [330]
    again.open()
    found = bytearray(400)
    again.read(0, memoryview(found))
    assert found[:330] == b"\1" * 300 + b"\2" * 30
    again.close()


def test_a_file_that_starts_over_has_nothing(tmp_path: Path) -> None:
    begun(tmp_path, [300, 20, 300, 5])
    partial = a_partial(tmp_path)
    partial.open()
    partial.start_over()
    partial.close()

    assert counts(a_partial(tmp_path)) == [0, 0, 0, 0]
    assert (tmp_path / "file").stat().st_size == 0


def test_a_boot_has_a_name() -> None:
    assert len(this_boot()) == 36
    assert this_boot() == this_boot()
