"""The Hub's image: its program as the pod starts it, out of its layer, with nothing but the standard library."""

import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.cluster.images.hub import MODELS, PREFIX, hub_config, hub_program
from tests.cluster.images.layers import Tree, write_layer

ROOT = Path(__file__).resolve().parents[2]
NAME = "acme/tiny"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder in which the image's own layers are unpacked."""
    source = tmp_path / "model"
    source.mkdir()
    (source / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    for layer in (hub_program(ROOT), Tree(source, f"{MODELS}/{NAME}")):
        out = BytesIO()
        write_layer(layer, out)
        out.seek(0)
        with tarfile.open(fileobj=out) as tar:
            tar.extractall(tmp_path / "root", filter="data")
    return tmp_path / "root"


@pytest.fixture
def url(root: Path) -> Iterator[str]:
    entry = hub_config({NAME: root}, port=0, cdn_port=0)["Entrypoint"]
    assert isinstance(entry, list)
    assert entry[0] == "python3"
    placed = [part.replace(f"/{MODELS}", f"{root}/{MODELS}") for part in entry[1:]]
    # Without site-packages, as in the image's Debian.
    command = [sys.executable, "-S", *placed]
    with subprocess.Popen(command, env={"PYTHONPATH": str(root / PREFIX)}, stdout=subprocess.PIPE, cwd="/") as hub:
        assert hub.stdout is not None
        yield json.loads(hub.stdout.readline())["url"]
        hub.terminate()
    assert hub.returncode == 0


def test_the_models_in_the_image_are_served(url: str) -> None:
    with urlopen(f"{url}/api/models/{NAME}") as answer:
        assert json.load(answer)["id"] == NAME


def test_the_probe_of_the_pod_is_answered(url: str) -> None:
    with urlopen(f"{url}/api/models") as answer:
        assert answer.status == 200


def test_the_pod_s_user_is_not_root() -> None:
    config = hub_config({}, port=8090, cdn_port=8091)
    assert config["User"] == "10001:10001"
