"""The training of the demo's chat model: what did not take is begun anew, and never served."""

from pathlib import Path
from typing import Any

import pytest

from examples.demo.models import chat_model
from tests.oracle import told_by

pytestmark = pytest.mark.engine

SOURCES = Path("examples/demo/models").absolute()


@pytest.fixture(scope="module")
def told(site_packages: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what the training does in the engine's packages with models that others trained, or nobody."""
    home = tmp_path_factory.mktemp("training")
    answer: dict[str, Any] = told_by("training.py", chat_model(), SOURCES, asked=None, home=home)
    return answer


def test_it_begins_anew_with_other_numbers_and_writes_what_has_learned(told: dict[str, Any]) -> None:
    second = told["second"]
    assert (len(set(second["seeds"])), second["said"]) == (2, "")
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(second["written"])


def test_what_never_learns_is_not_written_and_says_how_much_is_missing(told: dict[str, Any]) -> None:
    never = told["never"]
    assert (len(set(never["seeds"])), never["written"]) == (3, [])
    assert "has not learned its answers in 3 attempts" in never["said"]
    assert "0% of openings are right, 97% are wanted" in never["said"]
