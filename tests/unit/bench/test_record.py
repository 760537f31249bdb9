"""Results as text."""

import pytest

from bench.record import as_tables


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
