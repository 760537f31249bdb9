"""The promised accuracy on the logged starts of real servers."""

import pytest

from bench.sizing.compare import Compared, compare_all
from bench.sizing.report import errors, judged_rows, quantile
from bench.sizing.rows import read_rows


@pytest.fixture(scope="module")
def compared() -> list[Compared]:
    return compare_all(read_rows())


@pytest.fixture
def exact(compared: list[Compared]) -> list[Compared]:
    return [row for row in compared if row.row.is_exact and row.refusal is None]


@pytest.mark.parametrize(
    ("figure", "least_rows", "median", "p90"),
    [
        pytest.param("weights", 50, 0.002, 0.02, id="weights per GPU"),
        pytest.param("KV cache", 35, 0.12, 0.5, id="KV cache in GiB"),
        pytest.param("KV tokens, end to end", 35, 0.005, 0.03, id="KV tokens end to end"),
        pytest.param("KV tokens of the logged GiB", 34, 0.0005, 0.002, id="KV tokens of the logged GiB"),
        pytest.param("activation", 33, 0.05, 0.1, id="activation in GiB"),
    ],
)
def test_accuracy(exact: list[Compared], figure: str, least_rows: int, median: float, p90: float) -> None:
    found = errors(exact, figure)
    assert len(found) >= least_rows
    assert quantile(found, 0.5) <= median, found
    assert quantile(found, 0.9) <= p90, found


@pytest.mark.parametrize(
    ("started", "wants_known", "least_rows", "share"),
    [
        pytest.param(True, None, 53, 0.95, id="starts"),
        pytest.param(True, True, 39, 1.0, id="starts, inputs known"),
        pytest.param(False, None, 11, 0.9, id="refused starts"),
        pytest.param(False, True, 3, 1.0, id="refused starts, inputs known"),
    ],
)
def test_verdicts(
    exact: list[Compared],
    started: bool,
    wants_known: bool | None,
    least_rows: int,
    share: float,
) -> None:
    rows = judged_rows(exact, started=started, wants_known=wants_known)
    assert len(rows) >= least_rows
    assert sum(bool(row.verdict) for row in rows) / len(rows) >= share, [row.row.id for row in rows if not row.verdict]


def test_verdicts_of_all_rows_together(exact: list[Compared]) -> None:
    rows = [row for row in exact if row.verdict is not None]
    assert sum(bool(row.verdict) for row in rows) / len(rows) >= 0.95


def test_every_wrong_verdict_leaves_an_input_open(exact: list[Compared]) -> None:
    assert [row.row.id for row in exact if row.verdict is False and not row.row.open_inputs] == []


def test_every_row_with_a_configuration_is_answered(compared: list[Compared]) -> None:
    assert [(row.row.id, row.refusal) for row in compared if row.refusal is not None] == []


def test_nothing_ends_in_an_exception(compared: list[Compared]) -> None:
    assert len(compared) >= 90
    assert [row.refusal for row in compared if row.refusal and ": " not in row.refusal] == []
