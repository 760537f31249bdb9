"""The process that trains the chat model: what it says, what is left of it, and how it fails."""

from pathlib import Path

import pytest

from examples.demo.models import chat
from tests.cluster.errors import ClusterError

LEARNS = 'import json\nprint(json.dumps({"step": 5, "steps": 5, "loss": 1.5}))'
FAILS = 'import sys\nsys.exit("no room for the model")'


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a folder for a training that needs no packages."""
    monkeypatch.setattr(chat, "site_packages_env", lambda home: {"HOME": str(home)})
    return tmp_path / "home"


def _program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    program = tmp_path / "training.py"
    program.write_text(text)
    monkeypatch.setattr(chat, "TRAINING", program)


def _open_files() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


def test_it_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    _program(monkeypatch, tmp_path, LEARNS)
    chat._train(tmp_path / "model", home=home)
    assert "step 5 of 5, loss 1.50" in "".join(capfd.readouterr())


@pytest.mark.parametrize("program", [pytest.param(LEARNS, id="that learns"), pytest.param(FAILS, id="that fails")])
def test_nothing_of_it_stays_open(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: Path, program: str) -> None:
    _program(monkeypatch, tmp_path, program)
    before, failure = _open_files(), None
    try:
        chat._train(tmp_path / "model", home=home)
    except ClusterError as error:
        failure = error
    assert _open_files() == before
    assert (failure is None) == (program == LEARNS)


def test_a_failure_says_its_last_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: Path) -> None:
    _program(monkeypatch, tmp_path, FAILS)
    with pytest.raises(ClusterError, match="ended with 1:\nno room for the model"):
        chat._train(tmp_path / "model", home=home)
