import fcntl
import io
import os
import pty
import struct
import termios
from collections.abc import Iterator
from typing import TextIO

import pytest

from genmodel_operator.cli.terminal import Style, detect_style


class Stream(io.StringIO):
    """A stream of a given encoding that is a terminal or not, without a size."""

    def __init__(self, encoding: str, *, is_terminal: bool) -> None:
        super().__init__()
        self._encoding, self._is_terminal = encoding, is_terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._is_terminal

    def fileno(self) -> int:
        raise OSError("no descriptor")


@pytest.mark.parametrize(
    ("encoding", "is_terminal", "environ", "want"),
    [
        pytest.param("utf-8", False, {"TERM": "xterm"}, Style(100, True, False), id="a pipe"),
        pytest.param("utf-8", True, {"TERM": "xterm"}, Style(100, True, True), id="a terminal without a size"),
        pytest.param("UTF8", True, {"TERM": "xterm", "NO_COLOR": "1"}, Style(100, True, False), id="NO_COLOR"),
        pytest.param("utf-8", True, {"TERM": "xterm", "NO_COLOR": ""}, Style(100, True, True), id="an empty NO_COLOR"),
        pytest.param("utf-8", True, {"TERM": "dumb"}, Style(100, True, False), id="a dumb terminal"),
        pytest.param("utf-8", True, {}, Style(100, True, False), id="no TERM"),
        pytest.param("ascii", True, {"TERM": "xterm"}, Style(100, False, True), id="no Unicode"),
        pytest.param("latin-1", False, {}, Style(100, False, False), id="an old encoding"),
        pytest.param("utf-8", False, {"COLUMNS": "72"}, Style(72, True, False), id="COLUMNS"),
        pytest.param("utf-8", False, {"COLUMNS": "9"}, Style(48, True, False), id="too narrow"),
        pytest.param("utf-8", False, {"COLUMNS": "999"}, Style(120, True, False), id="too wide to read"),
        pytest.param("utf-8", False, {"COLUMNS": "wide"}, Style(100, True, False), id="no number"),
    ],
)
def test_style(encoding: str, is_terminal: bool, environ: dict[str, str], want: Style) -> None:
    assert detect_style(Stream(encoding, is_terminal=is_terminal), environ) == want


@pytest.fixture
def terminal() -> Iterator[TextIO]:
    """A real terminal of 63 columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 63, 0, 0))
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        yield stream
    os.close(master)


def test_a_terminal_is_as_wide_as_it_is(terminal: TextIO) -> None:
    assert detect_style(terminal, {"TERM": "xterm"}) == Style(63, unicode=True, colour=True)
