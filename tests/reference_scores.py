"""Scores of pairs of texts by the reference library, in a process that holds torch."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.images.site_packages import site_packages_env

REFERENCE = Path(__file__).parent / "oracles" / "reranker.py"


def reference_scores(model: Path, pairs: Sequence[tuple[str, str]], home: Path) -> list[float]:
    """Return the score of each pair by the model in a folder; ``home`` takes what the packages write."""
    done = subprocess.run(
        [sys.executable, REFERENCE, model],
        input=json.dumps(list(pairs)),
        env=dict(site_packages_env(home)),
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [float(score) for score in json.loads(done.stdout)]
