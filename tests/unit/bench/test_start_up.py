"""The start-up bench: stages follow each other, and nothing of the time is lost between them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bench.start_up import STAGES, moment_of, row_of, stages_of
from bench.timeline import is_made_since, marks_of

LOG = """\
2026-11-26T18:10:40.123456789Z INFO something starting of the engine's
2026-11-26T18:10:41.250000000Z genmodel_runtime: starting python3 -m vllm
2026-11-26T18:11:22.750000000Z genmodel_runtime: ready after 41.5 s
"""
READY = [{"type": "Ready", "status": "True"}]


def test_the_runtimes_own_lines_tell_when() -> None:
    assert moment_of(LOG, "ready after") - moment_of(LOG, "starting") == pytest.approx(41.5)
    with pytest.raises(ValueError, match="does not say 'fetching'"):
        moment_of(LOG, "fetching")


def test_the_stages_add_up_to_the_time_until_the_first_token() -> None:
    marks = {mark: 100.0 + (index + 1) ** 2 for index, mark in enumerate(STAGES.values())}
    stages = stages_of(100.0, marks)
    assert stages["operator: resolve, plan, write"] == 1.0
    assert stages["first request"] == 19.0
    assert sum(stages.values()) == 100.0


def test_what_is_ours_is_all_but_weights_and_engine() -> None:
    stages = dict.fromkeys(STAGES, 0.1) | {"weights": 5.0, "engine start": 40.0, "first request": 0.4}
    row = row_of(stages, floor_seconds=0.5)
    assert row["apply to first token"] == "46.10 s"
    assert row["apply to Ready"] == "45.70 s"
    assert row["ours: all but image, weights, engine start"] == "1.10 s"
    assert row["of it our own processes"] == "0.40 s"
    assert row["floor: the same two containers by hand"] == "0.50 s"
    assert row["x floor"] == "2.20"


@pytest.mark.parametrize(
    ("kind", "found", "want"),
    [
        pytest.param("Deployment", {}, ["Deployment"], id="a Deployment is there"),
        pytest.param("Pod", {"spec": {}}, [], id="a pod without a node"),
        pytest.param("Pod", {"spec": {"nodeName": "a"}}, ["bound"], id="a pod on a node"),
        pytest.param(
            "Pod",
            {"spec": {"nodeName": "a"}, "status": {"conditions": READY}},
            ["bound", "pod ready"],
            id="a ready pod",
        ),
        pytest.param("GenerativeModel", {"spec": {}}, [], id="a model"),
        pytest.param("GenerativeModel", {"status": {"conditions": READY}}, ["Ready"], id="a ready model"),
        pytest.param(
            "GenerativeModel", {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}, [], id="not yet"
        ),
    ],
)
def test_marks_of(kind: str, found: dict[str, Any], want: list[str]) -> None:
    assert marks_of(kind, found) == want


@pytest.mark.parametrize(
    ("seconds", "want"),
    [
        pytest.param(0.7, True, id="in the same second, which is all that the server tells"),
        pytest.param(1.2, False, id="before, when an earlier model was there"),
        pytest.param(-3.0, True, id="later"),
    ],
)
def test_only_what_was_made_since_then_counts(seconds: float, want: bool) -> None:
    found = {"metadata": {"creationTimestamp": "2026-11-26T23:00:00Z"}}
    assert is_made_since(found, datetime(2026, 11, 26, 23, tzinfo=UTC).timestamp() + seconds) is want
