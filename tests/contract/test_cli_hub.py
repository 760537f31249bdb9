"""``genmodel facts`` and ``genmodel render`` against a real Hub server."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from genmodel_operator.cli import main
from tests.crd_samples import manifest
from tests.fakes.hub import HubServer
from tests.fakes.hub_models import standard_repositories
from tests.fakes.hub_testing import GOOD, POOR, TINY, TOKENS, UNKNOWN

Said = tuple[int, str, str]


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with HubServer(standard_repositories(), tokens=TOKENS) as server:
        yield server


def genmodel(capsys: pytest.CaptureFixture[str], *arguments: str, token: str = "") -> Said:
    """Run a command in a thread, since it has an event loop of its own; return its code and what it said."""
    environ = {"HOME": "/nowhere", "HF_TOKEN": token}
    with ThreadPoolExecutor(max_workers=1) as thread:
        code = thread.submit(main, list(arguments), environ).result()
    said = capsys.readouterr()
    return code, said.out, said.err


def test_facts_are_read_once_and_rendered_offline(
    hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts, model = str(tmp_path / "facts.json"), tmp_path / "model.yaml"
    code, out, _ = genmodel(capsys, "facts", TINY, "--endpoint", hub.url, "--output", facts)
    assert (code, out.startswith(f"{TINY} at commit "), out.rstrip().endswith(facts)) == (0, True, True)
    model.write_text(yaml.safe_dump(manifest(model=TINY)))
    hub.log()
    code, out, err = genmodel(capsys, "render", "-f", str(model), "--facts", facts, "--cpu", "64:16", "-o", "json")
    assert code == 0, err
    kinds = [item["kind"] for item in json.loads(out)["items"]]
    assert kinds == ["ControllerRevision", "Deployment", "Service", "NetworkPolicy"]
    assert hub.log() == []


def test_facts_go_to_standard_output(hub: HubServer, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = genmodel(capsys, "facts", TINY, "--endpoint", hub.url)
    assert (code, err) == (0, "")
    assert json.loads(out)["repository"] == TINY


def test_rendering_asks_the_hub_that_the_model_names(
    hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model.yaml"
    model.write_text(yaml.safe_dump(manifest(model=TINY, source={"hub": {"endpoint": hub.url}})))
    code, out, err = genmodel(capsys, "render", "-f", str(model), "--gpu", "NVIDIA-L4:22.5:1")
    assert code == 0, err
    deployment = list(yaml.safe_load_all(out))[1]
    (prepare,) = deployment["spec"]["template"]["spec"]["initContainers"]
    assert {"name": "HF_ENDPOINT", "value": hub.url} in prepare["env"]


@pytest.mark.parametrize(
    ("repository", "options", "token", "want"),
    [
        pytest.param(
            "acme/missing", [], "", "ModelNotFound: spec.model: acme/missing does not exist", id="no such model"
        ),
        pytest.param(TINY, ["--revision", "none"], "", "RevisionNotFound: spec.revision: ", id="no such revision"),
        pytest.param(
            "acme/gated-llama",
            [],
            "",
            "ModelGated: spec.model: acme/gated-llama is gated and the anonymous user is not authorised",
            id="gated, without token",
        ),
        pytest.param(
            "acme/gated-llama",
            [],
            POOR,
            "ModelGated: spec.model: acme/gated-llama is gated and the token of HF_TOKEN is not authorised",
            id="gated, with a token that has no access",
        ),
        pytest.param(TINY, [], UNKNOWN, "TokenRejected: ", id="a wrong token"),
    ],
)
def test_what_the_hub_refuses_is_told(
    hub: HubServer, capsys: pytest.CaptureFixture[str], repository: str, options: list[str], token: str, want: str
) -> None:
    code, out, err = genmodel(capsys, "facts", repository, "--endpoint", hub.url, *options, token=token)
    assert (code, out) == (3, "")
    assert err.startswith(f"genmodel: {want}")
    assert POOR not in err
    assert UNKNOWN not in err


def test_a_token_with_access_opens_a_gated_model(hub: HubServer, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = genmodel(capsys, "facts", "acme/gated-llama", "--endpoint", hub.url, token=GOOD)
    assert (code, err) == (0, "")
    assert json.loads(out)["gated"] is True


def test_a_file_that_cannot_be_written_is_named(hub: HubServer, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = genmodel(capsys, "facts", TINY, "--endpoint", hub.url, "-o", "/nowhere/facts.json")
    assert code == 2
    assert "/nowhere/facts.json: cannot be written" in err
