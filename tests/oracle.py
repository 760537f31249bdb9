"""Programs of tests/oracles: each answers in a process of its own, which holds the engine's packages.

To import those takes 15 s of a processor, and they are pinned by hash: an answer is kept until anything that it follows
from has changed.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.cluster.folders import cache_folder
from tests.cluster.images import vllm_site_packages
from tests.cluster.images.cache import built_once, content_key, tree_key
from tests.cluster.images.site_packages import site_packages_env

ORACLES = Path(__file__).parent / "oracles"
ANSWER = "answer.json"
KEPT = 4
"""Answers of each program that stay: a few branches of the project side by side."""


def told_by(program: str, *args: Path, asked: Any, home: Path, found_there: bytes = b"") -> Any:
    """Return what a program answers in its last line.

    ``args`` are folders that it reads; ``home`` takes what the packages write, and ``found_there`` tells apart what
    is in it before.
    """
    packages = vllm_site_packages()
    folders = [tree_key(folder, (path for path in folder.rglob("*") if path.is_file())) for folder in args]
    key = content_key(ORACLES / program, packages.parent.name, sys.version, json.dumps(asked), found_there, *folders)
    folder = built_once(
        cache_folder() / "oracles" / Path(program).stem / key,
        what=f"asking {program}",
        why="the engine's own code answers, once for each question",
        keep=KEPT,
        build=lambda folder: _ask(program, args, asked, home, folder / ANSWER),
    )
    return json.loads((folder / ANSWER).read_bytes())


def _ask(program: str, args: tuple[Path, ...], asked: Any, home: Path, answer: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", ORACLES / program, *args],
        input=json.dumps(asked),
        env=dict(site_packages_env(home)),
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answer.write_text(done.stdout.splitlines()[-1])
