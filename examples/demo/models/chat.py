"""The demo's chat model: a small Llama, trained here on fables of Aesop."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.folders import cache_folder
from tests.cluster.images.cache import built_once, content_key
from tests.cluster.images.site_packages import LOCK, site_packages_env
from tests.cluster.progress import say

HERE = Path(__file__).parent
TRAINING = HERE / "training.py"
SOURCES = (HERE / "fables.txt", HERE / "corpus.py", TRAINING, HERE / "chat-model-card.md")
SAY_EVERY_SECONDS = 30


def chat_model() -> Path:
    """Return the chat model's folder, after training it where it is not there yet.

    Training takes about a minute on two idle cores. ClusterError with the training's last words if it fails.
    """
    folder = built_once(
        cache_folder() / "models" / "chat" / content_key(*SOURCES, LOCK),
        what="training the chat model",
        why="a small Llama on 27 fables of Aesop, about a minute on two cores",
        keep=2,
        build=_build,
    )
    return folder / "model"


def _build(folder: Path) -> None:
    _train(folder / "model", home=folder / "home")
    shutil.rmtree(folder / "home")
    shutil.copyfile(HERE / "chat-model-card.md", folder / "model" / "README.md")
    for path in (folder / "model").iterdir():
        path.chmod(0o644)


def _train(model: Path, *, home: Path) -> None:
    home.mkdir()
    log = home / "training.log"
    # Threads that wait without sleeping would slow each other down where cores are shared.
    env = {**os.environ, **site_packages_env(home), "OMP_WAIT_POLICY": "passive"}
    command = [sys.executable, str(TRAINING), str(model)]
    with (
        log.open("w") as errors,
        subprocess.Popen(command, env=env, cwd=home, stdout=subprocess.PIPE, stderr=errors, text=True) as training,
    ):
        try:
            _follow(training)
        finally:
            training.kill()
    if training.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise ClusterError(f"training the chat model ended with {training.returncode}:\n{tail}")


def _follow(training: "subprocess.Popen[str]") -> None:
    said = time.monotonic()
    for line in training.stdout or ():
        progress = json.loads(line)
        if time.monotonic() - said >= SAY_EVERY_SECONDS or progress["step"] == progress["steps"]:
            said = time.monotonic()
            say(f"step {progress['step']} of {progress['steps']}, loss {progress['loss']:.2f}")
    training.wait()
