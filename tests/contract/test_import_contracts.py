"""The import contracts of pyproject.toml hold our packages apart, also a module that nobody has thought of yet."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OPERATOR, RUNTIME = Path("operator/genmodel_operator"), Path("runtime/genmodel_runtime")
PURE, KOPF, KUBE, RUNTIME_ALONE, SHARED, STANDS_ALONE = (
    "The core is pure: no client, clock, environment, file, chance or log",
    "Only handlers knows kopf",
    "Only kube.kubernetes_aio knows the API server's client library",
    "The runtime never imports the operator",
    "The operator takes only the contract and the choice of files from the runtime",
    "What both packages share stands alone",
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of both packages and of the contracts."""
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    for package in (OPERATOR, RUNTIME):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def broken(checkout: Path) -> set[str]:
    """Return the names of the contracts that do not hold there."""
    paths = ":".join(str(checkout / package.parent) for package in (OPERATOR, RUNTIME))
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=checkout, env={"PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    held = re.findall(r"^(.*) KEPT", done.stdout, re.MULTILINE)
    found = re.findall(r"^(.*) BROKEN", done.stdout, re.MULTILINE)
    assert {*held, *found} == {PURE, KOPF, KUBE, RUNTIME_ALONE, SHARED, STANDS_ALONE}, done.stdout + done.stderr
    return set(found)


def test_they_hold(checkout: Path) -> None:
    assert broken(checkout) == set()


@pytest.mark.parametrize(
    ("files", "want_broken"),
    [
        pytest.param({OPERATOR / "api/clock.py": "import datetime\n"}, {PURE}, id="a clock in the core"),
        pytest.param({OPERATOR / "sizing/files.py": "from pathlib import Path\n"}, {PURE}, id="files in the core"),
        pytest.param({OPERATOR / "engines/dice.py": "import secrets, uuid\n"}, {PURE}, id="chance in the core"),
        pytest.param({OPERATOR / "resources/web.py": "import httpx2\n"}, {PURE}, id="a web client in the core"),
        pytest.param({OPERATOR / "settings.py": "import os\n"}, {PURE}, id="the environment in the settings"),
        pytest.param(
            {
                OPERATOR / "between.py": "import time\n",
                OPERATOR / "api/clock.py": "from genmodel_operator import between\n",
            },
            {PURE},
            id="a clock by way of another module",
        ),
        pytest.param(
            {OPERATOR / "new.py": "import kopf\nimport kubernetes\n"}, {KOPF, KUBE}, id="a new module with the clients"
        ),
        pytest.param(
            {
                RUNTIME / "new.py": "",
                OPERATOR / "new.py": "import genmodel_runtime.new\nfrom genmodel_runtime import __main__\n",
            },
            {SHARED},
            id="a new module of the runtime in the operator",
        ),
        pytest.param(
            {OPERATOR / "new.py": "from genmodel_runtime.selection import wanted_paths\n"},
            {SHARED},
            id="the choice of files at a second place",
        ),
        pytest.param(
            {RUNTIME / "contract.py": "import genmodel_operator.api\nimport os\n"},
            {RUNTIME_ALONE, STANDS_ALONE, PURE},
            id="a contract that leans on the operator",
        ),
    ],
)
def test_what_breaks_them_is_found(checkout: Path, files: dict[Path, str], want_broken: set[str]) -> None:
    for path, text in files.items():
        with (checkout / path).open("a") as file:
            file.write(f"\n{text}")
    assert broken(checkout) == want_broken
