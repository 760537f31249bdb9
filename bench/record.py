"""Results of benchmarks and long tests, kept in the repository with the machine that gave them."""

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def add(name: str, rows: Mapping[str, Mapping[str, str]], *, folder: Path = RESULTS) -> None:
    """Write the rows to ``<name>.json`` and leave the file's other rows as they are; each row has its own date."""
    path = folder / f"{name}.json"
    known: dict[str, Mapping[str, str]] = json.loads(path.read_text())["rows"] if path.exists() else {}
    today = {row: {"date": datetime.now(UTC).strftime("%Y-%m-%d"), **figures} for row, figures in rows.items()}
    keep(name, known | today, folder=folder)


def keep(name: str, rows: Mapping[str, Mapping[str, str]], *, folder: Path = RESULTS) -> None:
    """Write the rows to ``<name>.json`` in place of what it held."""
    document = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "rows": rows,
    }
    (folder / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")


def as_tables(rows: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Yield text: rows that follow each other with the same figures as one table, others as a list of their own."""
    for figures, group in groupby(rows.items(), key=lambda item: tuple(item[1])):
        found = list(group)
        if len(found) > 1:
            yield from _table([("", *figures), *((name, *values.values()) for name, values in found)])
        elif figures:
            yield from (found[0][0], *(f"  {figure}: {value}" for figure, value in found[0][1].items()))
        yield ""


def _table(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for name, *cells in lines:
        yield "  ".join([name.ljust(widths[0]), *(c.rjust(width) for c, width in zip(cells, widths[1:], strict=True))])
