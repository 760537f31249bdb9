from typing import Any

import pytest

from genmodel_operator.api.reasons import Reason
from genmodel_operator.cli.story import parse
from genmodel_operator.cli.verdict import (
    Download,
    State,
    Verdict,
    download_of,
    pod_phase,
    pod_restarts,
    remarkable,
    verdict_of,
)
from tests.builders_pods import a_pod, a_ready_pod, container, in_prepare, in_server
from tests.builders_status import BORN, SERVING, a_condition, a_download, a_raw_model, not_ready

DOWNLOADING = not_ready(Reason.DOWNLOADING, progress="1 of 2 GiB")
GATED = not_ready(Reason.NAME_CONFLICT, stalled=True, kind="Service", name="m", owner="x")


@pytest.mark.parametrize(
    ("raw", "want_state", "want_reason"),
    [
        pytest.param(a_raw_model(), State.WORKING, "Accepted", id="not seen by the operator"),
        pytest.param(a_raw_model(SERVING), State.READY, "Serving", id="serving"),
        pytest.param(a_raw_model(DOWNLOADING), State.WORKING, "Downloading", id="on its way"),
        pytest.param(a_raw_model(GATED), State.STALLED, "NameConflict", id="a person must act"),
        pytest.param(
            a_raw_model(SERVING, metadata={"generation": 2}), State.WORKING, "Accepted", id="the spec is newer"
        ),
        pytest.param(
            a_raw_model(SERVING, metadata={"deletionTimestamp": BORN}), State.GOING, "Deleting", id="being deleted"
        ),
    ],
)
def test_the_verdict(raw: dict[str, Any], want_state: State, want_reason: str) -> None:
    found = verdict_of(parse(raw))
    assert (found.state, found.reason) == (want_state, want_reason)
    assert found.message


def test_the_message_is_the_operator_s_own() -> None:
    assert verdict_of(parse(a_raw_model(DOWNLOADING))) == Verdict(
        State.WORKING, "Downloading", "downloading the weights: 1 of 2 GiB"
    )


@pytest.mark.parametrize(
    ("conditions", "want"),
    [
        pytest.param([*SERVING, a_condition("Planned", "True", "Planned")], [], id="all is well"),
        pytest.param(
            [*SERVING, a_condition("ModelResolved", "Unknown", "HubUnreachable")],
            ["ModelResolved"],
            id="the Hub is down",
        ),
        pytest.param([*SERVING, a_condition("Drifted", "True", "BranchMoved")], ["Drifted"], id="true only while bad"),
        pytest.param([*GATED, {**GATED[0], "type": "Available"}], [], id="the same words are not said twice"),
        pytest.param([*SERVING, a_condition("Drifted", "False", "Same")], [], id="false is good there"),
        pytest.param(
            [*SERVING, a_condition("RuntimeVulnerable", "Unknown", "EngineVersionUnknown")],
            ["RuntimeVulnerable"],
            id="nobody knows whether it is bad",
        ),
    ],
)
def test_conditions_that_are_not_fine(conditions: list[dict[str, Any]], want: list[str]) -> None:
    assert [found.type for found in remarkable(parse(a_raw_model(conditions)))] == want


SAID = {"download": {"bytesDone": 100, "bytesTotal": 1000, "secondsLeft": 9}}


@pytest.mark.parametrize(
    ("status", "runtimes", "want"),
    [
        pytest.param({}, {}, None, id="nothing is downloaded"),
        pytest.param(SAID, {}, Download(100, 1000, 100.0, 9), id="status alone, with the rate that follows"),
        pytest.param({"download": {"bytesDone": 1, "bytesTotal": 9}}, {}, Download(1, 9), id="status without a time"),
        pytest.param({"download": {"bytesDone": 0, "bytesTotal": 0}}, {}, None, id="nothing to download"),
        pytest.param(
            SAID,
            {"a": a_download(500, 1000, bytesPerSecond=7, secondsLeft=70), "b": a_download(800, 1000)},
            Download(500, 1000, 7, 70),
            id="the slowest pod, finer than status",
        ),
        pytest.param(SAID, {"a": a_download(1000, 1000)}, None, id="the pods have it all, status lags"),
        pytest.param(
            SAID, {"a": {"phase": "Loading", "download": None}}, Download(100, 1000, 100.0, 9), id="no figures"
        ),
    ],
)
def test_the_progress_of_a_download(status: dict[str, Any], runtimes: dict[str, Any], want: Download | None) -> None:
    assert download_of(parse(a_raw_model(DOWNLOADING, status=status)), runtimes) == want


GOING = a_ready_pod()
GOING["metadata"]["deletionTimestamp"] = BORN


@pytest.mark.parametrize(
    ("pod", "runtime", "want"),
    [
        pytest.param(a_ready_pod(), {}, "Serving", id="ready"),
        pytest.param(GOING, {}, "Terminating", id="going"),
        pytest.param(a_pod(), {}, "PodsPending", id="not placed yet"),
        pytest.param(in_prepare(container("prepare", running={})), {}, "Downloading", id="loading, no word of it"),
        pytest.param(
            in_prepare(container("prepare", running={})), a_download(1, 3), "Downloading 33 %", id="with its share"
        ),
        pytest.param(in_server(container("server", running={})), {}, "Loading", id="the engine starts"),
    ],
)
def test_what_a_pod_is_at(pod: dict[str, Any], runtime: dict[str, Any], want: str) -> None:
    assert pod_phase(pod, runtime) == want


def test_restarts_of_all_containers_count() -> None:
    prepare, server = container("prepare", restarts=2), container("server", restarts=1)
    assert pod_restarts(a_pod(initContainerStatuses=[prepare], containerStatuses=[server])) == 3
    assert pod_restarts(a_pod()) == 0
