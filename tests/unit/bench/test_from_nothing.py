"""What is told of a demo from nothing."""

import pytest

from bench.demo import parts_of
from bench.from_nothing import FIRST, minutes, rows_of


@pytest.mark.parametrize(
    ("seconds", "want"),
    [
        pytest.param(0.4, "0 min 0 s", id="none"),
        pytest.param(59.6, "1 min 0 s", id="a minute nearly"),
        pytest.param(1447.2, "24 min 7 s", id="minutes"),
        pytest.param(3605.0, "60 min 5 s", id="more than an hour"),
    ],
)
def test_times_are_in_minutes_and_seconds(seconds: float, want: str) -> None:
    assert minutes(seconds) == want


def test_what_comes_before_the_demo_is_pythons_packages() -> None:
    lines = [(1.0, "Installing the locked packages\n"), (95.0, "==> A cluster\n"), (700.0, "==> Images\n")]
    rows = rows_of(parts_of(lines, 760.0, first=FIRST), 760.0, load=0.25)
    assert rows["parts of make demo"] == {FIRST: "1 min 35 s", "A cluster": "10 min 5 s", "Images": "1 min 0 s"}
    assert rows["whole"] == {"make demo": "12 min 40 s"}
    assert rows["how"]["load before"].startswith("0.2 processes on ")
