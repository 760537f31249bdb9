"""The Makefile as a person meets it; real make, no installation."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout that has the Makefile and a virtual environment that is current."""
    for name in ("Makefile", "pyproject.toml", "requirements/dev.lock", "requirements/uv.lock"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    stamp = tmp_path / ".venv" / ".installed"
    stamp.parent.mkdir()
    stamp.touch()
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", "-C", str(folder), "--no-print-directory", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environ,
    )


def test_nothing_is_installed_while_the_lock_stays_the_same(checkout: Path) -> None:
    assert "pip install" not in make(checkout, "-n").stdout


def test_a_new_lock_is_installed_by_hash(checkout: Path) -> None:
    later = (checkout / ".venv/.installed").stat().st_mtime + 10
    os.utime(checkout / "requirements/dev.lock", (later, later))
    planned = make(checkout, "-n").stdout
    assert "-m venv .venv" in planned
    installs = [line for line in planned.splitlines() if "pip install" in line]
    assert ["--require-hashes -r requirements/uv.lock" in line for line in installs] == [True, False, False]
    assert ["--require-hashes -r requirements/dev.lock" in line for line in installs] == [False, True, False]


def test_the_uv_that_installs_is_the_one_that_is_installed() -> None:
    first, lock = ((ROOT / "requirements" / name).read_text() for name in ("uv.lock", "dev.lock"))
    (version,) = re.findall(r"^uv==(\S+)", first, re.MULTILINE)
    assert f"\nuv=={version} " in lock


@pytest.mark.parametrize(
    ("environ", "want"),
    [
        pytest.param({}, "none", id="no mirror"),
        pytest.param({"PIP_INDEX_URL": "https://mirror/simple"}, "https://mirror/simple", id="one for pip"),
        pytest.param(
            {"PIP_INDEX_URL": "https://mirror/simple", "UV_DEFAULT_INDEX": "https://other/simple"},
            "https://other/simple",
            id="one for each",
        ),
    ],
)
def test_a_mirror_that_is_named_for_pip_is_asked(
    checkout: Path, environ: dict[str, str], want: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    (checkout / "own.mk").write_text("include Makefile\nshow:\n\t@echo $${UV_DEFAULT_INDEX-none}\n")
    assert make(checkout, "-f", "own.mk", "show").stdout.strip() == want


def test_compiled_files_are_kept_whatever_the_environment_says(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    (checkout / "own.mk").write_text("include Makefile\nshow:\n\t@echo $${PYTHONDONTWRITEBYTECODE-kept}\n")
    assert make(checkout, "-f", "own.mk", "show").stdout.strip() == "kept"


def test_an_old_python_is_refused_with_the_way_out(checkout: Path) -> None:
    old = checkout / "python3.9"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    (checkout / ".venv/.installed").unlink()
    answer = make(checkout, f"PYTHON={old}")
    assert answer.returncode != 0
    assert f"genmodel needs Python 3.11 or newer; '{old}' is Python 3.9.2." in answer.stdout
    assert "make PYTHON=python3.12" in answer.stdout


def test_a_python_that_is_not_there_is_refused_in_the_same_words(checkout: Path) -> None:
    (checkout / ".venv/.installed").unlink()
    answer = make(checkout, "PYTHON=no-such-python")
    assert answer.returncode != 0
    assert "genmodel needs Python 3.11 or newer; 'no-such-python' is" in answer.stdout


def test_the_runner_s_summary_is_the_last_thing_that_make_test_prints(checkout: Path) -> None:
    planned = make(checkout, "-n", "test").stdout.strip().splitlines()
    assert planned[-1].startswith('.venv/bin/pytest -m "not soak" -n ')
    assert any("ruff format --check" in line for line in planned)
    assert any("lint-imports" in line for line in planned)


@pytest.mark.parametrize(
    ("target", "want"),
    [
        pytest.param("demo", "python -m examples.demo up", id="demo"),
        pytest.param("demo-down", "python -m examples.demo down", id="demo-down"),
        pytest.param("bench", "python -m bench", id="bench"),
        pytest.param("soak", "pytest -m soak", id="soak"),
        pytest.param("generate", "python -m scripts.generate", id="generate"),
        pytest.param("check", "python -m scripts.generate --check", id="check"),
    ],
)
def test_every_target_is_one_command(checkout: Path, target: str, want: str) -> None:
    assert make(checkout, "-n", target).stdout.strip().splitlines()[-1] == f".venv/bin/{want}"


def test_a_failing_check_ends_make_test(checkout: Path) -> None:
    ruff = checkout / ".venv/bin/ruff"
    ruff.parent.mkdir()
    ruff.write_text("#!/bin/sh\nexit 1\n")
    ruff.chmod(0o755)
    answer = make(checkout, "test")
    assert answer.returncode != 0
    assert "pytest" not in answer.stdout
