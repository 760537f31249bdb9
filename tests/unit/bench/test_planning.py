"""The planner's bench measures what it says."""

import subprocess
import sys

import pytest

from bench.planning import KINDS, a_cluster, milliseconds, row, run
from genmodel_operator.sizing.accelerators import read_inventory


def test_the_cluster_has_every_kind() -> None:
    inventory = read_inventory(a_cluster(10 * len(KINDS)))
    assert sum(group.nodes for group in inventory.groups if not group.is_gpu) == 10 * len(KINDS)
    # Mixed MIG has two kinds of slices on a node, and one kind of nodes has no device.
    assert len([group for group in inventory.groups if group.is_gpu]) == len(KINDS) + 1


def test_the_work_is_done_in_each_run() -> None:
    done: list[int] = []
    assert milliseconds(lambda: done.append(1)) >= 0
    assert len(done) == 9


def test_a_row_has_the_ratio() -> None:
    assert row(25.0, 10.0) == {"median": "25 ms", "baseline": "10 ms", "x baseline": "2.50"}


def test_a_command_that_fails_is_no_figure() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        run([sys.executable, "-c", "raise SystemExit(3)"])
