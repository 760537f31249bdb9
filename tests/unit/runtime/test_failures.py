"""What decides where several lines, or none, tell a cause."""

import pytest

from genmodel_runtime.contract import ExitCode, RuntimeReason
from genmodel_runtime.failures import Ending, Stage, classify, hung, start_timeout

OOM = "(Worker pid=3) ERROR 11-23 10:00:00 [x.py:1] torch.OutOfMemoryError: CUDA out of memory."
DEAD = (
    "(APIServer pid=1) ERROR 11-23 10:00:02 [x.py:1] vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered"
)
ODD = "(Worker pid=3) ERROR 11-23 10:00:01 [x.py:1] RuntimeError: something that nobody foresaw"


def reason_of(*lines: str, stage: Stage = Stage.STARTING, returncode: int = 1, is_oom_kill: bool = False) -> str:
    return classify(Ending(lines, returncode, stage, is_oom_kill)).reason.value


def message_of(*lines: str, stage: Stage = Stage.STARTING, returncode: int = 1) -> str:
    return classify(Ending(lines, returncode, stage)).message


@pytest.mark.parametrize(
    ("lines", "want_reason"),
    [
        pytest.param([OOM, DEAD], "DeviceMemoryShort", id="the worker's cause before its consequence"),
        pytest.param([ODD, OOM], "DeviceMemoryShort", id="a known cause before an unknown one"),
        pytest.param(
            ["ValueError: invalid literal for int()", OOM],
            "DeviceMemoryShort",
            id="a specific cause before a vague one",
        ),
        pytest.param(
            ["(Worker pid=3) WARNING 11-23 10:00:00 [x.py:1] CUDA out of memory, trying again", ODD],
            "EngineDied",
            id="a warning is no cause",
        ),
        pytest.param(["INFO 11-23 10:00:00 [x.py:1] No module named apex"], "EngineDied", id="information is no cause"),
        pytest.param(["\x1b[36m(Worker pid=3)\x1b[0m " + OOM.partition(") ")[2]], "DeviceMemoryShort", id="coloured"),
        pytest.param([], "EngineDied", id="no line at all"),
        pytest.param(["", "   ", "\x00\ufffd"], "EngineDied", id="noise"),
    ],
)
def test_while_starting(lines: list[str], want_reason: str) -> None:
    assert reason_of(*lines) == want_reason


@pytest.mark.parametrize(
    ("lines", "want_reason"),
    [
        pytest.param([OOM, DEAD], "DeviceMemoryShort", id="memory ran short"),
        pytest.param(
            ["ERROR 11-23 10:00:00 [x.py:1] Value error, max_tokens must be at least 1", DEAD],
            "EngineDied",
            id="a client's mistake is not the engine's",
        ),
        pytest.param(["OSError: [Errno 98] Address already in use", DEAD], "EngineDied", id="nor the start's"),
    ],
)
def test_while_serving(lines: list[str], want_reason: str) -> None:
    assert reason_of(*lines, stage=Stage.SERVING) == want_reason


def test_the_kernels_kill_is_told_where_the_log_knows_nothing() -> None:
    assert reason_of(DEAD, stage=Stage.SERVING, is_oom_kill=True) == "DeviceMemoryShort"
    assert reason_of("vllm: error: unrecognized arguments: --x", is_oom_kill=True) == "BadEngineArgument"


@pytest.mark.parametrize(
    ("lines", "returncode", "want_message"),
    [
        pytest.param(
            [ODD, DEAD],
            0,
            "the engine ended while starting (exit code 0): RuntimeError: something that nobody foresaw",
            id="the first exception",
        ),
        pytest.param(
            [DEAD, ODD],
            1,
            "the engine ended while starting (exit code 1): RuntimeError: something that nobody foresaw",
            id="a consequence only where there is nothing else",
        ),
        pytest.param(["KeyError"], 1, "the engine ended while starting (exit code 1): KeyError", id="a bare exception"),
        pytest.param(["bye"], -11, "the engine ended while starting (signal SIGSEGV)", id="a crash"),
        pytest.param([], -64, "the engine ended while starting (signal SIGRTMAX)", id="a real-time signal"),
        pytest.param([], -99, "the engine ended while starting (signal 99)", id="a signal without a name"),
    ],
)
def test_the_words_for_an_unknown_cause(lines: list[str], returncode: int, want_message: str) -> None:
    assert message_of(*lines, returncode=returncode) == want_message


def test_the_lines_after_the_cause_are_kept() -> None:
    lines = [f"line {number}" for number in range(300)]
    lines[100] = OOM

    log = classify(Ending(lines, 1, Stage.STARTING)).log

    assert log[:2] == (OOM, "line 101")
    assert len(log) == 12


def test_without_a_cause_the_last_lines_are_kept() -> None:
    log = classify(Ending([f"line {number}" for number in range(300)], 1, Stage.STARTING)).log

    assert (log[0], log[-1]) == ("line 288", "line 299")


def test_hung() -> None:
    failure = hung("2 requests were running")

    assert (failure.reason, failure.exit_code) == (RuntimeReason.ENGINE_HUNG, ExitCode.HUNG)
    assert failure.message == "2 requests were running"


@pytest.mark.parametrize(
    ("lines", "want_message"),
    [
        pytest.param([], "the engine gave no answer within 600 s of its start", id="it said nothing"),
        pytest.param(
            ["first", "Loading weights", "  ", ""],
            "the engine gave no answer within 600 s of its start; its last line was: Loading weights",
            id="its last words",
        ),
    ],
)
def test_start_timeout(lines: list[str], want_message: str) -> None:
    failure = start_timeout(600, lines)

    assert (failure.reason, failure.exit_code) == (RuntimeReason.START_TIMEOUT, ExitCode.START_TIMEOUT)
    assert failure.message == want_message
