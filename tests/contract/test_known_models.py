"""What we bring along of models' classes is what the real vLLM finds out, and it takes it."""

import json
from pathlib import Path
from typing import Any

import pytest

from genmodel_runtime.known_models import KNOWN, known_of
from scripts.known_models import ORACLE, as_text, table_of
from tests.oracle import told_by

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def told(site_packages: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the engine says of all its classes, with ours in its cache folder."""
    home = tmp_path_factory.mktemp("known")
    table = json.loads(KNOWN.read_bytes())
    folder = home / ".cache" / "vllm" / "modelinfos"
    folder.mkdir(parents=True)
    for name, document in known_of(list(table["architectures"]), table["vllm"]).items():
        (folder / name).write_text(json.dumps(document))
    found: dict[str, Any] = told_by(
        ORACLE, asked=list(table["architectures"]), home=home, found_there=KNOWN.read_bytes()
    )
    return found


def test_it_is_what_the_engine_finds_out(told: dict[str, Any]) -> None:
    assert as_text(table_of(told)) == KNOWN.read_text(), "run: python -m scripts.known_models"


def test_the_engine_takes_it_without_a_process_of_its_own(told: dict[str, Any]) -> None:
    found = {name: told["models"][told["architectures"][name]]["modelinfo"] for name in told["inspected"]}
    assert told["inspected"] == found
    assert len(found) > 150
