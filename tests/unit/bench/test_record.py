"""Results as text."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.record import add, as_tables, keep


@pytest.mark.parametrize(
    ("rows", "want"),
    [
        pytest.param(
            {"one": {"p50": "1 s", "p90": "10 s"}, "another": {"p50": "20 s", "p90": "3 s"}},
            ["          p50   p90", "one       1 s  10 s", "another  20 s   3 s", ""],
            id="rows with the same figures are a table",
        ),
        pytest.param({"rows": {"all": "200"}}, ["rows", "  all: 200", ""], id="a row of its own is a list"),
        pytest.param(
            {"a": {"x": "1"}, "b": {"y": "2"}}, ["a", "  x: 1", "", "b", "  y: 2", ""], id="other figures start anew"
        ),
        pytest.param({"nothing": {}}, [""], id="a row without figures is left out"),
        pytest.param({}, [], id="no rows"),
    ],
)
def test_as_tables(rows: dict[str, dict[str, str]], want: list[str]) -> None:
    assert list(as_tables(rows)) == want


def rows_in(folder: Path) -> dict[str, dict[str, str]]:
    rows: dict[str, dict[str, str]] = json.loads((folder / "some.json").read_text())["rows"]
    return rows


def test_rows_of_other_sizes_stay_and_each_has_its_date(tmp_path: Path) -> None:
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    add("some", {"1 floor": {"p50": "1 s"}, "200 floor": {"p50": "2 s"}}, folder=tmp_path)
    add("some", {"200 floor": {"p50": "3 s"}, "1000 floor": {"p50": "9 s"}}, folder=tmp_path)
    assert rows_in(tmp_path) == {
        "1 floor": {"date": today, "p50": "1 s"},
        "200 floor": {"date": today, "p50": "3 s"},
        "1000 floor": {"date": today, "p50": "9 s"},
    }


def test_keeping_replaces_what_was_there(tmp_path: Path) -> None:
    add("some", {"1 floor": {"p50": "1 s"}}, folder=tmp_path)
    keep("some", {"200 floor": {"p50": "2 s"}}, folder=tmp_path)
    assert rows_in(tmp_path) == {"200 floor": {"p50": "2 s"}}
