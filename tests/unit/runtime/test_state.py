import json

import pytest

from genmodel_runtime.contract import ExitCode, Phase, RuntimeReason
from genmodel_runtime.state import Download, Measured, Requests, RuntimeState
from genmodel_runtime.termination import Failure


class Clock:
    def __init__(self) -> None:
        self.now = 1_795_478_400.0

    def __call__(self) -> float:
        return self.now


def test_a_new_state_says_only_what_it_knows() -> None:
    state = RuntimeState(Phase.CHECKING, clock=Clock())

    assert state.snapshot().document() == {
        "contract": 1,
        "phase": "Checking",
        "since": "2026-11-24T00:00:00.000Z",
        "measured": {},
        "engine": {},
        "failure": None,
    }


def test_a_download_that_another_pod_does() -> None:
    found = Download(bytes_done=5, bytes_total=10, elsewhere=True).document()
    assert found == {"bytesDone": 5, "bytesTotal": 10, "elsewhere": True}


@pytest.mark.parametrize(
    ("epoch_seconds", "want"),
    [
        pytest.param(1_795_478_400.25, "2026-11-24T00:00:00.250Z", id="in between"),
        pytest.param(1_795_478_400.9996, "2026-11-24T00:00:01.000Z", id="rounded up"),
    ],
)
def test_a_phase_begins_to_the_millisecond(epoch_seconds: float, want: str) -> None:
    state = RuntimeState(Phase.CHECKING, clock=lambda: epoch_seconds)
    assert state.snapshot().document()["since"] == want


def test_everything_that_the_contract_names() -> None:
    clock = Clock()
    state = RuntimeState(Phase.STARTING, engine_name="vllm-cpu", clock=clock)
    clock.now += 61
    state.enter(Phase.SERVING)
    state.track_download(lambda: Download(bytes_done=5, bytes_total=10, bytes_per_second=2.4, seconds_left=2.6))
    state.update(
        measured=Measured(
            weights_gib=1.5,
            checkpoint_gib=1.4,
            kv_cache_gib=2.5,
            kv_tokens=100,
            activation_gib=0.5,
            non_torch_gib=0.25,
            cuda_graph_gib=0.75,
            start_seconds=12.34,
        ),
        requests=Requests(running=3, waiting=4),
        engine_version="0.32.0",
    )

    assert json.loads(json.dumps(state.snapshot().document())) == {
        "contract": 1,
        "phase": "Serving",
        "since": "2026-11-24T00:01:01.000Z",
        "download": {"bytesDone": 5, "bytesTotal": 10, "bytesPerSecond": 2, "secondsLeft": 3},
        "measured": {
            "weightsGiB": 1.5,
            "checkpointGiB": 1.4,
            "kvCacheGiB": 2.5,
            "kvTokens": 100,
            "activationGiB": 0.5,
            "nonTorchGiB": 0.25,
            "cudaGraphGiB": 0.75,
            "startSeconds": 12.3,
        },
        "engine": {"name": "vllm-cpu", "version": "0.32.0"},
        "requests": {"running": 3, "waiting": 4},
        "failure": None,
    }


def test_rates_are_left_out_until_they_are_known() -> None:
    assert Download(bytes_done=0, bytes_total=10).document() == {"bytesDone": 0, "bytesTotal": 10}


def test_a_failure_is_final_and_trouble_is_not() -> None:
    state = RuntimeState(Phase.DOWNLOADING, clock=Clock())
    trouble = Failure(RuntimeReason.HUB_UNREACHABLE, "no route", ExitCode.TEMPORARY, "next try in 3 s")

    state.trouble(trouble)
    assert state.snapshot().document()["phase"] == "Downloading"
    assert state.snapshot().document()["failure"] == {
        "reason": "HubUnreachable",
        "message": "no route",
        "hint": "next try in 3 s",
    }
    state.trouble(None)
    assert state.snapshot().document()["failure"] is None
    state.fail(trouble)
    assert state.snapshot().phase is Phase.FAILED


def test_entering_the_same_phase_again_keeps_its_beginning() -> None:
    clock = Clock()
    state = RuntimeState(Phase.LOADING, clock=clock)
    clock.now += 5
    state.enter(Phase.LOADING)

    assert state.snapshot().since == clock.now - 5


@pytest.mark.parametrize(
    ("current", "want"),
    [
        pytest.param(Phase.STARTING, Phase.LOADING, id="a start goes on"),
        pytest.param(Phase.SERVING, Phase.SERVING, id="a late log line does not end serving"),
        pytest.param(Phase.DRAINING, Phase.DRAINING, id="nor draining"),
        pytest.param(Phase.FAILED, Phase.FAILED, id="nor a failure"),
    ],
)
def test_the_log_moves_only_a_start(current: Phase, want: Phase) -> None:
    state = RuntimeState(current)
    state.advance(Phase.LOADING)

    assert state.snapshot().phase is want


def test_figures_that_are_not_told_again_stay() -> None:
    state = RuntimeState(Phase.SERVING)
    state.update(measured=Measured(start_seconds=10, weights_gib=1))
    state.update(measured=Measured(weights_gib=2, kv_tokens=0))

    assert state.snapshot().measured == Measured(start_seconds=10, weights_gib=2, kv_tokens=0)
