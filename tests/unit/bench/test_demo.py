"""How the demo's time is split into parts."""

from pathlib import Path

import pytest

from bench import demo
from bench.demo import parts_of


def test_a_part_goes_from_one_heading_to_the_next() -> None:
    lines = [
        (0.5, "\n"),
        (0.5, "==> A cluster\n"),
        (3.0, "$ kubectl get nodes\n"),
        (4.5, "==> Images\n"),
        (5.0, "something ==> else\n"),
    ]
    assert parts_of(lines, 9.0) == {"Python's start": 0.5, "A cluster": 4.0, "Images": 4.5}


def test_all_parts_together_are_the_whole() -> None:
    lines = [(at / 7, f"==> part {at}\n") for at in range(1, 6)]
    assert sum(parts_of(lines, 2.0).values()) == pytest.approx(2.0)


def test_a_demo_that_fails_gives_no_times(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"-m examples\.demo sideways ended with 2; see"):
        demo.timed(demo.command("sideways"), tmp_path / "kept.txt")
