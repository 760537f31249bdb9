"""The figures of the control plane's bench."""

import pytest

from bench.timings import Timings, lines_of, quantile, row_of, times_floor


def a_run(*ready: float) -> Timings:
    times = {f"m{index}": value for index, value in enumerate(ready)}
    children = {name: value / 4 for name, value in times.items()}
    return Timings(children=children, pods=times, ready=times, cpu_seconds=0.15 * len(times))


def a_floor(*pods: float) -> Timings:
    return Timings(children={}, pods={f"m{index}": value for index, value in enumerate(pods)})


@pytest.mark.parametrize(
    ("values", "share", "want"),
    [
        pytest.param([], 0.5, None, id="nothing"),
        pytest.param([3.0], 0.99, 3.0, id="one"),
        pytest.param([3.0, 1.0, 2.0], 0.5, 2.0, id="the middle one"),
        pytest.param([float(n) for n in range(200)], 0.99, 198.0, id="of many"),
    ],
)
def test_quantile(values: list[float], share: float, want: float | None) -> None:
    assert quantile(values, share) == want


def test_a_row_has_the_medians_of_its_runs() -> None:
    assert row_of([a_run(1.0, 2.0), a_run(3.0, 40.0), a_run(2.0, 4.0)]) == {
        "runs": "3",
        "all children": "1.00 s",
        "all pods ready": "4.00 s",
        "all Ready": "4.00 s",
        "p50": "4.00 s",
        "p99": "4.00 s",
        "CPU of all per model": "150 ms",
    }


def test_a_floor_is_never_said_to_be_ready() -> None:
    row = row_of([a_floor(1.0, 2.0)])
    assert (row["all Ready"], row["all children"], row["all pods ready"]) == ("-", "-", "2.00 s")


@pytest.mark.parametrize(
    ("floors", "runs", "want"),
    [
        pytest.param([10.0, 10.0], [15.0], 1.5, id="one run"),
        pytest.param([8.0, 12.0], [15.0], 1.5, id="between floors that differ"),
        pytest.param([10.0, 10.0, 100.0], [20.0, 55.0], 1.5, id="each run beside its own floors"),
        pytest.param([1.0, 1.0, 1.0, 1.0], [2.0, 9.0, 3.0], 3.0, id="the median, not the mean"),
    ],
)
def test_times_floor(floors: list[float], runs: list[float], want: float) -> None:
    assert times_floor(floors, runs) == want


def test_a_floor_is_needed_on_both_sides_of_a_run() -> None:
    with pytest.raises(ValueError, match="shorter"):
        times_floor([1.0, 1.0], [1.0, 1.0])


def test_a_table_is_as_wide_as_its_cells() -> None:
    rows = {"1 floor": {"p50": "0.21 s"}, "1 genmodel": {"p50": "0.88 s", "requests": "get 2.00"}}
    assert list(lines_of(rows)) == [
        "          1 floor  1 genmodel",
        "p50        0.21 s      0.88 s",
        "requests        -    get 2.00",
    ]
