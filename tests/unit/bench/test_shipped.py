"""What the bench takes for the operator's memory is what the image's packages take."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from bench import shipped

ROOT = Path(__file__).parents[3]
NEEDED = "kopf kubernetes.aio pydantic prometheus_client huggingface_hub genmodel_operator.process"


@pytest.fixture(scope="module")
def found() -> dict[str, str | None]:
    """Return the file of each module, as the bench's Python finds it; None where it finds none."""
    names = [*NEEDED.split(), "kubernetes_validate", "pytest", "genmodel_runtime"]
    program = "import importlib.util as u, json; print(json.dumps({n: (s := u.find_spec(n)) and s.origin for n in %r}))"
    python = shipped.COMMAND[: shipped.COMMAND.index("-m")]
    answer = subprocess.run(
        [*python, "-c", program % names],
        env={**os.environ, **shipped.environment(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(answer.stdout))


@pytest.mark.parametrize("name", ["kubernetes_validate", "pytest"])
def test_packages_of_development_are_not_there(found: dict[str, str | None], name: str) -> None:
    assert found[name] is None


@pytest.mark.parametrize("name", NEEDED.split()[:-1])
def test_the_packages_of_the_image_are_those_of_its_lock(found: dict[str, str | None], name: str) -> None:
    assert "operator-dependencies" in str(found[name])


@pytest.mark.parametrize("name", ["genmodel_operator.process", "genmodel_runtime"])
def test_the_code_is_that_of_the_checkout(found: dict[str, str | None], name: str) -> None:
    assert str(found[name]).startswith(str(ROOT))


def test_the_command_runs() -> None:
    answer = subprocess.run(
        [*shipped.COMMAND, "--help"],
        env={**os.environ, **shipped.environment(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, "run" in answer.stdout) == (0, True)
