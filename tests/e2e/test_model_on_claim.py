"""A model on a volume that its user filled: a real pod reads it, real vLLM serves it, and no Hub is asked."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from openai import OpenAI

from examples.demo.models import minilm_model
from tests.claims import a_claim
from tests.cluster import Cluster
from tests.disks import local_volume
from tests.platform import Platform

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

NAME = "acme/sentences"


@pytest.fixture
def folder(platform: Platform, tmp_path: Path) -> Iterator[Path]:
    """Yield a folder on the volume of the claim ``models``, which belongs to root and which everybody can read."""
    if not isinstance(platform.cluster, Cluster):
        pytest.skip("the folder of a volume can be filled on a node of our own only")
    disk = tmp_path / "disk"
    (disk / "team").mkdir(parents=True)
    with local_volume(platform.cluster.kubectl, "models", disk):
        a_claim(platform.cluster.kubectl, "default", "models", storage_class="models")
        yield disk / "team" / "sentences"
        platform.cluster.kubectl("delete", "pvc", "models", "--ignore-not-found", "--timeout=60s")


def fill(folder: Path) -> None:
    shutil.copytree(minilm_model(), folder)
    for path in (folder.parent.parent, folder.parent, folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def vector(platform: Platform, name: str) -> list[float]:
    with OpenAI(base_url=platform.endpoint(name), api_key="unused", timeout=120, max_retries=2) as api:
        return api.embeddings.create(model=name, input="A fox.").data[0].embedding


def test_a_folder_on_a_claim_is_served_and_no_hub_is_asked(platform: Platform, folder: Path) -> None:
    platform.hub_fault(match=".", status=503, times=None)
    try:
        platform.hub_log()
        source = {"persistentVolumeClaim": {"claimName": "models", "path": "team/sentences"}}
        platform.wish("own", NAME, source=source)
        platform.assert_shown(
            "own",
            reason="SourceEmpty",
            words=("the folder team/sentences of the claim does not exist",),
            row={"READY": "False"},
            seconds=180,
        )
        fill(folder)
        platform.wish("own", NAME, source=source, context={"maxModelLen": 256})
        platform.wait_for("own", "Serving")
        assert len(vector(platform, "own")) == 384
        status = platform.get("gm", "own")["status"]
        assert len(status["model"]["commit"]) == 40
        assert status["model"]["repository"] == NAME
        owners = {path.stat().st_uid for path in folder.rglob("*")}
        assert owners == {os.getuid()}, "nothing on the user's volume is changed"
        assert [entry["path"] for entry in platform.hub_log() if NAME in entry["path"]] == []
    finally:
        platform.clear_hub_faults()
        platform.delete("own")
