"""Many tensors in few bytes: names that differ only in their numbers become one pattern with ranges.

What the runtime folds the operator unfolds, so both use this module. It is pure, needs only the
standard library and runs on Python 3.10.
"""

import base64
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

Entry = tuple[str, str, tuple[int, ...]]
"""Name, dtype and shape of one tensor."""
Group = list[Any]
"""Pattern, dtype, shape and the numbers of the pattern's stars."""

MOST_TENSORS = 200_000
LONGEST_TEXT_BYTES = 16 * 1024 * 1024
"""Of what was packed: a few KiB can unpack to much more."""

_NUMBER = re.compile(r"(?<![^.])(?:0|[1-9][0-9]{0,8})(?![^.])", re.ASCII)
_STAR = "*"


def fold(entries: Iterable[Entry]) -> list[Group]:
    """Return the tensors as groups, sorted; ``unfold`` gives back the same set of them.

    The numbers of a group are None without a star, else a tree: a list of ranges of the first star (``0-3,7``), each
    with the numbers of the stars after it.
    """
    groups: dict[tuple[str, str, tuple[int, ...], int], set[tuple[int, ...]]] = {}
    for name, dtype, shape in entries:
        # A name that has a star itself stays as it is, in a group without numbers.
        pattern = name if _STAR in name else _NUMBER.sub(_STAR, name)
        numbers = () if _STAR in name else tuple(int(found) for found in _NUMBER.findall(name))
        groups.setdefault((pattern, dtype, shape, len(numbers)), set()).add(numbers)
    return [
        [pattern, dtype, list(shape), _tree(sorted(numbers))]
        for (pattern, dtype, shape, _), numbers in sorted(groups.items())
    ]


def unfold(groups: Sequence[Group]) -> Iterator[Entry]:
    """Yield the tensors of the groups; raises ``ValueError`` where they are none, or too many."""
    count = 0
    for pattern, dtype, shape, tree in groups:
        for numbers in _numbers(tree):
            count += 1
            if count > MOST_TENSORS:
                raise ValueError(f"more than {MOST_TENSORS} tensors")
            yield _named(pattern, numbers), dtype, tuple(shape)


def pack(text: bytes) -> str:
    """Return bytes as short printable text without quotes or backslashes."""
    return base64.b85encode(zlib.compress(text, 9)).decode("ascii")


def unpack(text: str) -> bytes:
    """Return what was packed; raises ``ValueError`` where it is damaged or too long."""
    unpacker = zlib.decompressobj()
    try:
        found = unpacker.decompress(base64.b85decode(text), LONGEST_TEXT_BYTES)
    except zlib.error as error:
        raise ValueError(f"damaged: {error}") from error
    if not unpacker.eof:
        raise ValueError("damaged, or too long")
    return found


def _tree(numbers: Sequence[tuple[int, ...]]) -> list[Any] | None:
    if not numbers[0]:
        return None
    rests: dict[int, list[tuple[int, ...]]] = {}
    for first, *rest in numbers:
        rests.setdefault(first, []).append(tuple(rest))
    same: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for first, found in rests.items():
        same.setdefault(tuple(found), []).append(first)
    return [[_ranges(firsts), _tree(rest)] for rest, firsts in same.items()]


def _ranges(numbers: Sequence[int]) -> str:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _numbers(tree: Sequence[Any] | None) -> Iterator[tuple[int, ...]]:
    if tree is None:
        yield ()
        return
    for ranges, rest in tree:
        for run in ranges.split(","):
            first, _, last = run.partition("-")
            for number in range(int(first), int(last or first) + 1):
                for others in _numbers(rest):
                    yield (number, *others)


def _named(pattern: str, numbers: tuple[int, ...]) -> str:
    if not numbers:
        return pattern
    parts = pattern.split(_STAR)
    if len(parts) != len(numbers) + 1:
        raise ValueError(f"{pattern}: {len(numbers)} numbers")
    return parts[0] + "".join(f"{number}{part}" for number, part in zip(numbers, parts[1:], strict=True))
