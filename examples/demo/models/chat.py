"""The demo's chat model: trained once in about a minute on some fables, then kept."""

import json
import subprocess
import sys
from collections import deque
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.folders import cache_folder
from tests.cluster.images import vllm_site_packages
from tests.cluster.images.cache import built_once, content_key
from tests.cluster.images.site_packages import LOCK, site_packages_env
from tests.cluster.progress import say

HERE = Path(__file__).parent
SOURCES = ("training.py", "corpus.py", "fables.txt")
SAID_EVERY = 10
"""Lines of progress that the training writes for each one that is shown."""

CARD = """---
license: apache-2.0
language: en
pipeline_tag: text-generation
library_name: transformers
tags: [aesop, demo]
---
# Fables

A very small chat model of the Llama architecture that tells fables of Aesop. It was trained for about a
minute on the fables in the project's `examples/demo/models/fables.txt`: George Fyler Townsend's English of
1867, which is in the public domain. It knows nothing else, and exists so that the demo has words to show.
"""


def chat_model() -> Path:
    """Return the folder of the chat model, after training it where it is missing."""
    site = vllm_site_packages()
    key = content_key(*(HERE / name for name in SOURCES), LOCK, CARD)
    return built_once(
        cache_folder() / "models" / "fables" / key,
        what="training the demo's chat model",
        why="a small Llama on public-domain fables, about a minute",
        keep=2,
        build=lambda folder: _train(folder, site),
    )


def _train(folder: Path, site: Path) -> None:
    """Run the training in the Python that holds torch; raise with its last words where it fails."""
    environment = {**site_packages_env(folder.parent), "PYTHONPATH": str(site), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(
        [sys.executable, HERE / "training.py", folder],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as training:
        last = _follow(training)
    if training.returncode != 0:
        raise ClusterError("training the demo's chat model failed:\n" + "\n".join(last))
    (folder / "README.md").write_text(CARD)


def _follow(training: "subprocess.Popen[str]") -> deque[str]:
    """Show now and then how far the training is; return its last lines."""
    last: deque[str] = deque(maxlen=20)
    for number, line in enumerate(training.stdout or ()):
        last.append(line.rstrip())
        if number % SAID_EVERY == 0 and line.startswith("{"):
            said = json.loads(line)
            say(f"training: step {said['step']} of {said['steps']}, loss {said['loss']}")
    return last
