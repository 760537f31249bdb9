"""What the terminal can show: its width, its characters, colours."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

_WIDTH, _LEAST_WIDTH, _MOST_WIDTH = 100, 48, 120


@dataclass(frozen=True, slots=True)
class Style:
    """How text is laid out.

    Attributes:
        width: columns.
        unicode: characters beyond ASCII are shown.
        colour: ANSI colours are shown.

    """

    width: int = _WIDTH
    unicode: bool = True
    colour: bool = False


def detect_style(stream: TextIO, environ: Mapping[str, str]) -> Style:
    """Return the style for a stream: of a file or pipe always 100 columns without colour, unless COLUMNS says."""
    is_terminal = stream.isatty()
    encoding = (stream.encoding or "").lower().replace("-", "")
    colour = is_terminal and not environ.get("NO_COLOR") and environ.get("TERM", "dumb") != "dumb"
    return Style(width=_width(stream, environ, is_terminal=is_terminal), unicode=encoding == "utf8", colour=colour)


def _width(stream: TextIO, environ: Mapping[str, str], *, is_terminal: bool) -> int:
    said = environ.get("COLUMNS", "")
    columns = int(said) if said.isascii() and said.isdecimal() else 0
    if not columns and is_terminal:
        try:
            columns = os.get_terminal_size(stream.fileno()).columns
        except OSError:
            columns = 0
    return min(max(columns or _WIDTH, _LEAST_WIDTH), _MOST_WIDTH)
