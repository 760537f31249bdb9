from collections.abc import Callable
from typing import Any

import pytest

from tests.shown import Kubectl, assert_shown, look

LINE = """\
NAME   MODEL              ACCELERATOR     READY   REASON       AGE
tiny   acme/gated-llama   1 x NVIDIA L4   False   ModelGated   4m
"""
TEXT = """\
Name:         tiny
Status:
  Conditions:
    Message:  spec.model: acme/gated-llama is gated; accept the licence
    Reason:   ModelGated
    Status:   False
    Type:     Ready
Events:
  Type     Reason      Age   From               Message
  ----     ------      ----  ----               -------
  Warning  ModelGated  4m    genmodel-operator  spec.model: acme/gated-llama is gated; accept the licence
  Normal   Resolved    3m    genmodel-operator  acme/tiny-llama at main is commit abc
"""
WANTED: dict[str, Any] = {
    "reason": "ModelGated",
    "words": ("acme/gated-llama is gated", "accept the licence"),
    "event": "Warning ModelGated",
    "row": {"READY": "False", "ACCELERATOR": "1 x NVIDIA L4"},
}


def showing(line: str = LINE, text: str = TEXT) -> Kubectl:
    def kubectl(*args: str) -> str:
        assert args[:2] == ("-n", "team")
        return line if args[2] == "get" else text

    return kubectl


def test_a_look() -> None:
    shown = look(showing(), "team", "tiny")
    assert shown.row["MODEL"] == "acme/gated-llama"
    assert [str(event) for event in shown.events] == ["Warning ModelGated", "Normal Resolved"]
    assert shown.warnings == ["ModelGated"]
    assert "Reason: ModelGated Status: False" in shown.text
    assert "Resolved" not in shown.text, "Events are no part of the description"


def test_what_is_wanted_is_shown() -> None:
    assert assert_shown(showing(), "team", "tiny", seconds=0, **WANTED).row["REASON"] == "ModelGated"


@pytest.mark.parametrize(
    ("change", "want_message"),
    [
        pytest.param(lambda line, text: (line.replace("ModelGated", "Serving   "), text), "REASON is ModelGated",
                     id="another reason in the line"),
        pytest.param(lambda line, text: (line.replace("False", "True "), text), "READY is False", id="another cell"),
        pytest.param(lambda line, text: (line, text.replace("Reason:   ModelGated", "Reason: Serving")),
                     "the description has the reason ModelGated", id="another reason in the description"),
        pytest.param(lambda line, text: (line, text.replace("accept the licence", "...")),
                     "the description says: accept the licence", id="half the sentence"),
        pytest.param(lambda line, text: (line, text.replace("Warning", "Normal ")),
                     "an Event Warning ModelGated says: acme/gated-llama is gated", id="no Warning"),
        pytest.param(lambda line, text: (line, text.partition("Events:")[0]),
                     "an Event Warning ModelGated says: acme/gated-llama is gated", id="no Events"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(change: Callable[[str, str], tuple[str, str]], want_message: str) -> None:
    with pytest.raises(AssertionError) as error:
        assert_shown(showing(*change(LINE, TEXT)), "team", "tiny", seconds=0, **WANTED)
    assert want_message in str(error.value)
    assert "the line is {" in str(error.value)
