"""Words on a screen: wrapping, tables, amounts and times for people."""

import re
import textwrap
from collections.abc import Sequence
from datetime import datetime, timedelta

from genmodel_operator.cli.terminal import Style

_COLOUR = re.compile("\033\\[[0-9;]*m")


def coloured(text: str, style: Style, code: str) -> str:
    """Return the text in a colour (an ANSI number such as ``1;31``), where colours are shown."""
    return f"\033[{code}m{text}\033[0m" if style.colour else text


def plain(text: str) -> str:
    """Return the text without colours."""
    return _COLOUR.sub("", text)


def rows_of(lines: Sequence[str], columns: int) -> int:
    """Return how many rows of a terminal the lines take; what is wider than it takes more than one."""
    return sum(max(1, -(-len(plain(line)) // max(1, columns))) for line in lines)


def cut(text: str, width: int, style: Style) -> str:
    """Return the text in so many columns; where something is left out it ends with an ellipsis."""
    if len(text) <= width:
        return text
    mark = "\N{HORIZONTAL ELLIPSIS}" if style.unicode else "..."
    return text[: max(0, width - len(mark))] + mark


def cut_start(text: str, width: int, style: Style) -> str:
    """Return the end of the text in so many columns: where names differ."""
    return text if len(text) <= width else cut(text[::-1], width, style)[::-1]


def wrapped(text: str, style: Style, *, indent: str = "  ", hanging: str | None = None, most: int = 99) -> list[str]:
    """Return the lines of a text, at most so many."""
    lines = textwrap.wrap(
        " ".join(text.split()),
        style.width,
        initial_indent=indent,
        subsequent_indent=indent if hanging is None else hanging,
        break_on_hyphens=False,
    )
    if len(lines) > most:
        lines = [*lines[: most - 1], cut(f"{lines[most - 1]} {lines[most].strip()}", style.width, style)]
    return lines


def table(head: Sequence[str], rows: Sequence[Sequence[str]], style: Style, *, give: int) -> list[str]:
    """Return the lines of a table no wider than the screen; the start of column ``give`` is cut where room is short."""
    cells = [list(head), *(list(row) for row in rows)]
    widths = [max(len(row[number]) for row in cells) for number in range(len(head))]
    gaps = 2 * (len(head) - 1)
    widths[give] = max(len(head[give]), min(widths[give], style.width - 2 - gaps - sum(widths) + widths[give]))
    lines = []
    for row in cells:
        row[give] = cut_start(row[give], widths[give], style)
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append(cut(("  " + "  ".join(padded)).rstrip(), style.width, style))
    return lines


def amount(count_bytes: float) -> str:
    """Return bytes in words, such as ``1.2 GiB``."""
    for size, unit in ((1024**4, "TiB"), (1024**3, "GiB"), (1024**2, "MiB")):
        if count_bytes >= size:
            return f"{count_bytes / size:.1f} {unit}"
    return f"{count_bytes / 1024:.0f} KiB"


def duration(seconds: float) -> str:
    """Return a time in words, as kubectl does: ``45s``, ``3m20s``, ``5h``, ``12d``."""
    whole = max(0, int(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return f"{minutes}m{whole % 60}s" if whole % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    return f"{hours}h" if days < 2 else f"{days}d"


def age(since: str, now: datetime) -> str:
    """Return how long ago a time in RFC 3339 was, ``?`` where it is none."""
    try:
        found = datetime.fromisoformat(since)
    except ValueError:
        return "?"
    return duration((now - found) / timedelta(seconds=1))
