"""``genmodel plan`` against a real Hub server: what it reads, what it says, and how long it takes."""

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
from tests.fakes.hub_testing import GOOD, POOR, SHARDED, TINY, TOKENS, kinds

Said = tuple[int, str, str]


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    with HubServer(standard_repositories(), tokens=TOKENS) as server:
        yield server


def plan(capsys: pytest.CaptureFixture[str], *arguments: str, **environ: str) -> Said:
    with ThreadPoolExecutor(max_workers=1) as thread:
        code = thread.submit(main, ["plan", *arguments], {"HOME": "/nowhere", **environ}).result()
    said = capsys.readouterr()
    return code, said.out, said.err


def test_a_repository_is_planned_from_metadata_and_headers_alone(
    hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.log()
    code, out, err = plan(capsys, SHARDED, "--gpu", "l4", "--count", "2", "-o", "json", HF_ENDPOINT=hub.url)
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["model"]["repository"] == SHARDED
    assert len(document["model"]["commit"]) == 40
    assert document["model"]["source"] == hub.url
    asked = hub.log()
    assert {"info", "tree", "config.json"} <= set(kinds(asked))
    weights = [entry for entry in asked if entry.path.endswith(".safetensors")]
    assert weights
    assert all((entry.range or "").startswith("bytes=0-") for entry in weights)


@pytest.mark.parametrize("way", ["option", "environment", "setting", "manifest"])
def test_the_hub_is_named_in_any_way(
    hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    file = tmp_path / "model.yaml"
    file.write_text(yaml.safe_dump(manifest("tiny", model=TINY, source={"hub": {"endpoint": hub.url}})))
    ways: dict[str, tuple[list[str], dict[str, str]]] = {
        "option": ([TINY, "--endpoint", hub.url], {"HF_ENDPOINT": "http://127.0.0.1:1"}),
        "environment": ([TINY], {"HF_ENDPOINT": hub.url, "GENMODEL_OPERATOR_HUB__ENDPOINT": "http://127.0.0.1:1"}),
        "setting": ([TINY], {"GENMODEL_OPERATOR_HUB__ENDPOINT": hub.url}),
        "manifest": (["-f", str(file)], {"HF_ENDPOINT": "http://127.0.0.1:1"}),
    }
    options, environ = ways[way]
    code, out, err = plan(capsys, *options, "--gpu", "l4", **environ)
    assert code == 0, err
    assert out.startswith(f"{TINY}\n")


@pytest.mark.parametrize(
    ("repository", "options", "token", "want"),
    [
        pytest.param("acme/missing", [], "", "ModelNotFound: ", id="no such model"),
        pytest.param(TINY, ["--revision", "none"], "", "RevisionNotFound: spec.revision: ", id="no such revision"),
        pytest.param("acme/gated-llama", [], "", "ModelGated: ", id="gated, without token"),
        pytest.param("acme/gated-llama", [], POOR, "ModelGated: ", id="gated, with a token that has no access"),
        pytest.param("acme/gguf", [], "", "GGUFOnly: ", id="another format"),
        pytest.param("acme/adapter", [], "", "AdapterRepository: ", id="an adapter"),
        pytest.param("acme/remote-code", [], "", "remote-code: RemoteCodeRequired: ", id="code of its own"),
        pytest.param(
            TINY, ["--max-model-len", "4096"], "", "", id="a context that the model does not have is an answer"
        ),
    ],
)
def test_what_the_hub_refuses_is_told_as_by_render(
    hub: HubServer, capsys: pytest.CaptureFixture[str], repository: str, options: list[str], token: str, want: str
) -> None:
    code, out, err = plan(capsys, repository, "--gpu", "l4", *options, HF_ENDPOINT=hub.url, HF_TOKEN=token)
    if want:
        assert (code, out) == (3, "")
        assert err.startswith(f"genmodel: {want}")
    else:
        assert (code, err) == (4, "")
        assert "Not served (ContextTooLong)" in out
        assert "what would help\n  - set it to 512 or less" in out
    assert POOR not in err


def test_code_of_a_repository_is_planned_with_the_words_of_manifest_and_policy(
    hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "model.yaml"
    file.write_text(yaml.safe_dump(manifest("own", model="acme/remote-code", trust={"remoteCode": True})))
    options = ("-f", str(file), "--gpu", "l4", "-o", "json")
    code, _, err = plan(capsys, *options, HF_ENDPOINT=hub.url)
    assert code == 3
    assert err.startswith("genmodel: own: RemoteCodeNotAllowed: ")
    commit = err.partition("at the commit ")[2][:40]
    allowed = json.dumps([{"repository": "acme/remote-code", "commits": [commit]}])
    code, out, err = plan(capsys, *options, HF_ENDPOINT=hub.url, GENMODEL_OPERATOR_POLICY__REMOTE_CODE=allowed)
    assert (code, err) == (0, "")
    assert json.loads(out)["model"]["commit"] == commit


def test_a_token_with_access_opens_a_gated_model(hub: HubServer, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = plan(capsys, "acme/gated-llama", "--gpu", "l4", "-o", "json", HF_ENDPOINT=hub.url, HF_TOKEN=GOOD)
    assert code == 0
    assert json.loads(out)["model"]["gated"] is True
    assert GOOD not in out


def test_a_failing_hub_and_a_missing_cluster_end_with_one_message(
    hub: HubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = plan(capsys, "acme/missing", HF_ENDPOINT=hub.url)
    assert (code, out) == (2, "")
    assert err.startswith("genmodel: no cluster to plan for: ")
    assert len(err.splitlines()) == 1
