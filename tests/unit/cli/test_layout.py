import pytest

from genmodel_operator.cli.layout import age, amount, coloured, cut, cut_start, duration, plain, table, wrapped
from genmodel_operator.cli.terminal import Style
from tests.builders_status import NOW

PLAIN, ASCII = Style(40), Style(40, unicode=False)


@pytest.mark.parametrize(
    ("seconds", "want"),
    [
        (-3, "0s"),
        (0, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (3599, "59m"),
        (3 * 3600, "3h"),
        (47 * 3600, "47h"),
        (48 * 3600, "2d"),
    ],
)
def test_durations_are_short(seconds: float, want: str) -> None:
    assert duration(seconds) == want


@pytest.mark.parametrize(
    ("count_bytes", "want"),
    [(0, "0 KiB"), (2048, "2 KiB"), (1.5 * 1024**2, "1.5 MiB"), (14.2 * 1024**3, "14.2 GiB"), (1024**4, "1.0 TiB")],
)
def test_amounts_have_a_unit(count_bytes: float, want: str) -> None:
    assert amount(count_bytes) == want


@pytest.mark.parametrize(
    ("since", "want"),
    [
        pytest.param("2026-11-24T10:09:15Z", "45s", id="seconds"),
        pytest.param("2026-11-24T10:09:15.123456Z", "44s", id="microseconds, as Events have"),
        pytest.param("2026-11-24T10:11:00Z", "0s", id="a clock that is ahead"),
        pytest.param("", "?", id="nothing"),
    ],
)
def test_ages(since: str, want: str) -> None:
    assert age(since, NOW) == want


def test_what_is_too_long_is_cut_at_either_end() -> None:
    assert cut("abcdefgh", 5, PLAIN) == "abcd…"
    assert cut_start("abcdefgh", 5, PLAIN) == "…efgh"
    assert cut("abcdefgh", 5, ASCII) == "ab..."
    assert cut("abc", 5, PLAIN) == cut_start("abc", 5, PLAIN) == "abc"


def test_a_table_is_no_wider_than_the_screen_and_keeps_the_end_of_one_column() -> None:
    rows = [["mistral", "mistralai/Mistral-7B-Instruct-v0.3", "Serving"], ["m", "a/b", "Downloading"]]
    lines = table(["NAME", "MODEL", "REASON"], rows, PLAIN, give=1)
    assert lines[0].split() == ["NAME", "MODEL", "REASON"]
    assert all(len(line) <= 40 for line in lines)
    assert "Instruct-v0.3  Serving" in lines[1]
    assert lines[2].split() == ["m", "a/b", "Downloading"]


def test_a_long_text_is_wrapped_and_bounded() -> None:
    lines = wrapped("word " * 40, PLAIN, hanging="    ", most=3)
    assert len(lines) == 3
    assert lines[1].startswith("    word")
    assert lines[2].endswith("…")
    assert all(len(line) <= 40 for line in lines)


def test_colours_take_no_room() -> None:
    style = Style(40, colour=True)
    assert plain(coloured("word", style, "1;31")) == "word"
    assert coloured("word", PLAIN, "1;31") == "word"
