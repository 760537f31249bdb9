"""Rules of the repository that no other tool checks."""

import ast
import operator
import os
import re
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import yaml

from genmodel_operator.api.reasons import TABLE, Reason, Severity
from genmodel_operator.cli.input import parse_model
from genmodel_runtime.contract import RuntimeReason
from scripts.generate.outputs import outputs

ROOT = Path(__file__).resolve().parents[2]
CODE = ("operator", "runtime", "tests", "bench", "examples", "scripts")
SKIPPED = {".git", ".venv", ".demo", "__pycache__", "node_modules", "build", "dist"}
FILE_LINES = 400
FUNCTION_LINES = 50


def files(*suffixes: str) -> list[Path]:
    """Return the repository's own files with these endings."""
    found: list[Path] = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in SKIPPED and not name.endswith("_cache")]
        found += [Path(folder, name) for name in names if name.endswith(suffixes)]
    return sorted(found)


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


PYTHON = [path for path in files(".py") if path.relative_to(ROOT).parts[0] in CODE]
TEXTS = files(".py", ".md", ".yaml", ".yml", ".toml", ".json", ".tpl", ".txt", ".go", ".sh", "Makefile", "run")


@pytest.mark.parametrize("folder", ["operator", "runtime"])
def test_source_roots_are_no_packages(folder: str) -> None:
    assert (ROOT / folder).is_dir()
    assert not (ROOT / folder / "__init__.py").exists()


def test_import_operator_is_the_standard_library_s() -> None:
    assert operator.add(1, 2) == 3


def test_no_file_is_too_long() -> None:
    lengths = {shown(path): len(path.read_text().splitlines()) for path in PYTHON}
    assert {path: length for path, length in lengths.items() if length > FILE_LINES} == {}


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield every function of a file with its number of lines."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{shown(path)}:{node.name}", (node.end_lineno or 0) - node.lineno + 1


def test_no_function_is_too_long() -> None:
    lengths = dict(entry for path in PYTHON for entry in functions(path))
    assert {name: length for name, length in lengths.items() if length > FUNCTION_LINES} == {}


def test_modules_are_named_for_what_they_do() -> None:
    assert [path for path in PYTHON if path.stem in {"utils", "util", "common", "helpers", "misc"}] == []


@pytest.mark.parametrize(("path", "text"), outputs().items(), ids=[shown(path) for path in outputs()])
def test_generated_files_are_current(path: Path, text: str) -> None:
    assert path.read_text() == text, "run: make generate"


@pytest.mark.parametrize("reason", [*Reason, *RuntimeReason], ids=lambda reason: reason.value)
def test_every_reason_is_documented(reason: Reason | RuntimeReason) -> None:
    entry = TABLE[reason.value]
    assert entry.message
    assert entry.remedy or entry.severity is not Severity.PERSON
    assert f"`{reason.value}`" in (ROOT / "docs/reference/reasons.md").read_text()


def test_the_table_has_no_other_reasons() -> None:
    assert set(TABLE) == {reason.value for reason in (*Reason, *RuntimeReason)}


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param(r"(?<![\w.-])/" + r"(work|root)/\w\w", id="paths of one machine"),
        pytest.param(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b", id="unfinished work"),
    ],
)
def test_texts_hold_nothing_of_one_workplace(pattern: str) -> None:
    found = [shown(path) for path in TEXTS if re.search(pattern, path.read_text(errors="replace"))]
    assert found == []


def test_the_licence_is_there() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0" in text


def test_continuous_integration_runs_what_everybody_runs() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text()


@pytest.mark.parametrize("target", re.findall(r"make ([a-z-]+)", (ROOT / "CONTRIBUTING.md").read_text()))
def test_the_commands_in_the_guide_exist(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def sample_models() -> Iterator[tuple[str, str]]:
    """Yield every GenerativeModel that the repository shows to a reader, with its place."""
    for path in files(".yaml"):
        if path.is_relative_to(ROOT / "examples"):
            yield from ((shown(path), text) for text in path.read_text().split("\n---\n"))
    for path in files(".md"):
        blocks = re.findall(r"```yaml\n(.*?)```", path.read_text(), re.DOTALL)
        yield from ((shown(path), text) for text in blocks)


SAMPLES = [
    (place, text) for place, text in sample_models() if re.search(r"^kind: GenerativeModel$", text, re.MULTILINE)
]


@pytest.mark.parametrize(("place", "text"), SAMPLES, ids=[place for place, _ in SAMPLES])
def test_every_model_that_is_shown_is_valid(place: str, text: str) -> None:
    assert parse_model(yaml.safe_load(text), filename=place, namespace=None).spec.model


def test_properties_do_not_fail_on_a_loaded_machine() -> None:
    """Neither a slow example nor a slow strategy is a failure: one profile says so for the whole tree."""
    profile = hypothesis.settings()
    assert profile.deadline is None
    assert hypothesis.HealthCheck.too_slow in profile.suppress_health_check
