"""``python -m tests.cluster.images`` and the small programs around a build."""

import sys
from pathlib import Path

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.images.__main__ import main
from tests.cluster.images.commands import compile_bytecode, debian_program, run, uv_program
from tests.cluster.images.operator import operator_sources

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="nothing"),
        pytest.param(["build"], id="no image named"),
        pytest.param(["build", "nginx"], id="an image that is not ours"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert "usage: python -m tests.cluster.images" in capsys.readouterr().err


def test_a_program_that_fails_is_reported_with_its_last_lines() -> None:
    program = "import sys; print('first'); print('no space left', file=sys.stderr); sys.exit(3)"

    with pytest.raises(ClusterError, match=r"(?s)making it failed: .* ended with 3\nfirst\nno space left"):
        run([sys.executable, "-c", program], what="making it")


def test_what_a_program_prints_is_returned() -> None:
    assert run([sys.executable, "-c", "import os; print(os.environ['A'])"], what="it", env={"A": "b"}) == "b\n"


def test_a_program_that_is_there_is_not_installed() -> None:
    assert debian_program("sh", package="dash").name == "sh"


def test_uv_comes_with_the_development_dependencies() -> None:
    assert run([uv_program(), "--version"], what="uv").startswith("uv ")


def test_bytecode_is_compiled_although_some_files_are_no_python(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text("x = 1\n")
    (tmp_path / "template.py").write_text("{{ no python }} (\n")

    compile_bytecode(tmp_path)

    (compiled,) = (tmp_path / "__pycache__").glob("good*.pyc")
    # The second word of the header: 1 is "by hash, never checked".
    assert compiled.read_bytes()[4:8] == (1).to_bytes(4, "little")


def test_the_wheel_s_sources_are_all_there_is_and_no_bytecode() -> None:
    sources = {path.relative_to(ROOT).as_posix() for path in operator_sources(ROOT)}

    assert {
        "pyproject.toml",
        "operator/genmodel_operator/settings.py",
        "runtime/genmodel_runtime/contract.py",
    } <= sources
    assert not [name for name in sources if name.endswith(".pyc")]
