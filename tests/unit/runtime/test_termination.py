import json
from pathlib import Path

import pytest

from genmodel_runtime.contract import TERMINATION_LOG_MAX_BYTES, ExitCode, RuntimeReason
from genmodel_runtime.termination import Failure, report_failure, termination_document


def a_failure(*, message: str = "the engine ended", hint: str = "", log: tuple[str, ...] = ()) -> Failure:
    return Failure(RuntimeReason.ENGINE_DIED, message, ExitCode.ENGINE_DIED, hint, log)


def test_the_document_is_what_the_contract_names() -> None:
    document = json.loads(termination_document(a_failure(hint="wait", log=("first", "second"))))

    assert document == {
        "contract": 1,
        "reason": "EngineDied",
        "message": "the engine ended",
        "hint": "wait",
        "exitCode": 22,
        "log": ["first", "second"],
    }


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(a_failure(log=("x" * 100_000,) * 50), id="long lines"),
        pytest.param(a_failure(log=("é" * 390,) * 12), id="lines of two bytes per character"),
        pytest.param(a_failure(log=('"\\\n\t' * 100,) * 12), id="lines that JSON makes longer"),
        pytest.param(a_failure(message="m" * 100_000, hint="h" * 100_000), id="long message"),
        pytest.param(a_failure(message="😀" * 10_000, hint="😀" * 10_000), id="long message of four bytes each"),
        pytest.param(a_failure(message="\x01" * 10_000, hint="\x01" * 10_000), id="characters of six bytes each"),
        pytest.param(a_failure(message="\ud800", log=("\udcff",)), id="characters that UTF-8 cannot hold"),
    ],
)
def test_the_kubelets_limit_is_never_passed(failure: Failure) -> None:
    encoded = termination_document(failure)

    assert len(encoded) <= TERMINATION_LOG_MAX_BYTES
    document = json.loads(encoded)
    assert document["reason"] == "EngineDied"
    assert document["message"]


def test_the_deciding_line_stays_when_lines_must_go() -> None:
    log = ("ValueError: the cause", *(f"{n:02} " + "x" * 390 for n in range(11)))

    document = json.loads(termination_document(a_failure(log=log)))

    assert document["log"][0] == "ValueError: the cause"
    assert 1 < len(document["log"]) < len(log)


def test_the_reason_is_also_said_in_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "termination-log"
    path.write_text("of an earlier start, which was longer" * 100)

    report_failure(path, a_failure())

    assert json.loads(path.read_bytes())["reason"] == "EngineDied"
    assert capsys.readouterr().out == "genmodel_runtime: EngineDied: the engine ended\n"


def test_a_log_that_cannot_be_written_does_not_hide_the_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report_failure(tmp_path / "missing" / "termination-log", a_failure())

    out = capsys.readouterr().out
    assert "EngineDied: the engine ended" in out
    assert "cannot be written" in out
