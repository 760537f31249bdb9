"""Programs of tests/oracles: each answers in a process of its own, which holds the engine's packages."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.cluster.images.site_packages import site_packages_env

ORACLES = Path(__file__).parent / "oracles"


def told_by(program: str, *args: str | Path, asked: Any, home: Path) -> Any:
    """Return what a program answers in its last line; ``home`` takes what the packages write."""
    done = subprocess.run(
        [sys.executable, ORACLES / program, *args],
        input=json.dumps(asked),
        env=dict(site_packages_env(home)),
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
