import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from genmodel_operator import __version__
from genmodel_operator.api.crd import build_crd
from genmodel_operator.cli import main
from genmodel_operator.cli.facts_file import facts_text
from genmodel_operator.cli.hub import hub_endpoint, user_token
from genmodel_operator.cli.parser import build_parser
from genmodel_operator.settings import HubSettings, Settings
from tests.builders import some_facts
from tests.crd_samples import manifest

OFFLINE = {"HOME": "/nowhere"}


def run(arguments: list[str], environ: dict[str, str]) -> int:
    """Run a command that has an event loop of its own; this thread's belongs to the test runner."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(main, arguments, environ).result()


@pytest.fixture
def facts_file(tmp_path: Path) -> str:
    file = tmp_path / "facts.json"
    file.write_text(facts_text(some_facts()))
    return str(file)


def model_file(tmp_path: Path, **spec: Any) -> str:
    file = tmp_path / "model.yaml"
    file.write_text(yaml.safe_dump(manifest("mistral", **spec)))
    return str(file)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"genmodel {__version__}\n"


def test_crd(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crd"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == build_crd()


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param([], id="no command"),
        pytest.param(["serve"], id="an unknown command"),
        pytest.param(["render"], id="render without file"),
        pytest.param(["update"], id="update without a model"),
        pytest.param(["render", "-f", "m.yaml", "-o", "xml"], id="an unknown form"),
        pytest.param(["facts"], id="facts without repository"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: genmodel" in capsys.readouterr().err


@pytest.mark.parametrize("output", ["yaml", "json"])
def test_render_prints_the_exact_objects(
    tmp_path: Path, facts_file: str, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--facts", facts_file, "--gpu", "NVIDIA-L4:22.5:1", "-n", "team-a", "-o", output]
    assert run(["render", "-f", model_file(tmp_path), *options], OFFLINE) == 0
    said = capsys.readouterr()
    objects = json.loads(said.out)["items"] if output == "json" else list(yaml.safe_load_all(said.out))
    assert [document["kind"] for document in objects] == [
        "ControllerRevision",
        "Deployment",
        "Service",
        "NetworkPolicy",
    ]
    assert {document["metadata"]["namespace"] for document in objects} == {"team-a"}
    for document in objects:
        kubernetes_validate.validate(document, "1.37", strict=True)
    assert said.err.startswith("mistral: 1 x NVIDIA L4 per replica")


def test_render_lays_the_users_pod_template_over_the_pod(
    tmp_path: Path, facts_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = model_file(tmp_path, replicas=2, podTemplate={"spec": {"priorityClassName": "high", "volumes": []}})
    assert run(["render", "-f", file, "--facts", facts_file, "--cpu", "64:16"], OFFLINE) == 0
    objects = list(yaml.safe_load_all(capsys.readouterr().out))
    assert [document["kind"] for document in objects][-1] == "PodDisruptionBudget"
    assert objects[1]["spec"]["template"]["spec"]["priorityClassName"] == "high"


def test_update_needs_a_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["update", "tiny"], OFFLINE) == 2
    assert "no cluster" in capsys.readouterr().err


def test_the_same_input_is_rendered_the_same(
    tmp_path: Path, facts_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["render", "-f", model_file(tmp_path), "--facts", facts_file, "--cpu", "64:16"]
    texts = []
    for _ in range(2):
        assert run(command, OFFLINE) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("spec", "options", "want_code", "want_message"),
    [
        pytest.param(
            {"contxt": {}}, ["--cpu", "64:16"], 2, "spec.contxt: unknown field; did you mean context?", id="bad input"
        ),
        pytest.param({"model": "a/b"}, ["--cpu", "64:16"], 2, "is not the repository of", id="facts of another model"),
        pytest.param({}, ["--cpu", "64"], 2, "--cpu 64: must be GIB:CORES", id="bad nodes"),
        pytest.param({}, [], 2, "no cluster to plan for", id="no nodes"),
        pytest.param({}, ["--cpu", "1:1"], 4, "mistral: NoFit: ", id="nothing fits"),
        pytest.param(
            {"podTemplate": {"spec": {"containers": [{"name": "server", "command": ["sh"]}]}}},
            ["--cpu", "64:16"],
            2,
            "mistral: spec.podTemplate.spec.containers[server].command: the operator starts this container",
            id="a pod template that breaks the pod",
        ),
        pytest.param(
            {"context": {"maxModelLen": 4096}},
            ["--cpu", "64:16"],
            4,
            "mistral: ContextTooLong: spec.context.maxModelLen: 4096 is more than the 512 tokens",
            id="a context that the model does not have",
        ),
    ],
)
def test_render_says_why_not(
    tmp_path: Path,
    facts_file: str,
    capsys: pytest.CaptureFixture[str],
    spec: dict[str, Any],
    options: list[str],
    want_code: int,
    want_message: str,
) -> None:
    code = run(["render", "-f", model_file(tmp_path, **spec), "--facts", facts_file, *options], OFFLINE)
    said = capsys.readouterr()
    assert (code, said.out) == (want_code, "")
    assert said.err.startswith("genmodel: ")
    assert want_message in said.err


def test_a_model_that_the_engine_refuses_ends_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "facts.json"
    file.write_text(facts_text(some_facts(architecture="NeverHeardOfForCausalLM")))
    command = ["render", "-f", model_file(tmp_path), "--facts", str(file), "--cpu", "64:16"]
    assert run(command, OFFLINE) == 3
    assert "mistral: ArchitectureUnsupported: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("{", "no JSON", id="broken JSON"),
        pytest.param("[]", "no facts document", id="a list"),
        pytest.param('{"version": 99}', "version: 99 is not 1", id="a later form"),
    ],
)
def test_a_facts_file_that_cannot_be_used_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, want: str
) -> None:
    file = tmp_path / "facts.json"
    file.write_text(text)
    assert run(["render", "-f", model_file(tmp_path), "--facts", str(file), "--cpu", "64:16"], OFFLINE) == 2
    said = capsys.readouterr().err
    assert f"{file}: {want}" in said
    assert "genmodel facts REPO writes such files" in said


def test_wrong_settings_are_named(tmp_path: Path, facts_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {**OFFLINE, "GENMODEL_OPERATOR_WORKER": "3"}
    assert run(["render", "-f", model_file(tmp_path), "--facts", facts_file, "--cpu", "64:16"], environ) == 2
    assert "genmodel: GENMODEL_OPERATOR_WORKER: there is no such setting; did you mean" in capsys.readouterr().err


def test_a_hub_that_cannot_be_reached_ends_with_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["facts", "a/b", "--endpoint", "http://127.0.0.1:1"], OFFLINE) == 3
    assert "HubUnreachable: the Hub at http://127.0.0.1:1 cannot be reached" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("environ", "want"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"HF_TOKEN": " hf_a\n"}, "hf_a", id="in the variable"),
        pytest.param({"HF_TOKEN": ""}, None, id="an empty variable"),
        pytest.param({"HF_TOKEN": "hf_a", "HF_TOKEN_PATH": "/nowhere"}, "hf_a", id="the variable wins over the file"),
    ],
)
def test_the_user_s_token(environ: dict[str, str], want: str | None) -> None:
    assert user_token(environ) == want


@pytest.mark.parametrize(
    ("named", "environ", "want"),
    [
        pytest.param(None, {}, "https://setting", id="the setting"),
        pytest.param(None, {"HF_ENDPOINT": "http://mirror"}, "http://mirror", id="as the Hub's own tools"),
        pytest.param(None, {"HF_ENDPOINT": ""}, "https://setting", id="an empty variable"),
        pytest.param("http://said", {"HF_ENDPOINT": "http://mirror"}, "http://said", id="what is named wins"),
    ],
)
def test_the_hub_that_is_asked(named: str | None, environ: dict[str, str], want: str) -> None:
    settings = Settings(hub=HubSettings(endpoint="https://setting"))
    assert hub_endpoint(named, settings=settings, environ=environ) == want


def test_the_user_s_token_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("hf_b\n")
    assert user_token({"HF_TOKEN_PATH": str(file)}) == "hf_b"


def test_small_commands_load_no_client() -> None:
    code = "import sys; from genmodel_operator.cli import main; main(['version']); print(sorted(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {name for name in ("kopf", "kubernetes", "huggingface_hub", "pydantic") if f"'{name}'" in said}


@pytest.mark.parametrize(
    ("options", "want"),
    [
        pytest.param(["m"], "no cluster to ask: neither KUBECONFIG nor ~/.kube/config names one; name one", id="none"),
        pytest.param(["m", "-w", "-o", "json"], "-o json: -w shows a screen; leave one of both out", id="a live form"),
        pytest.param(["m", "-A"], "-A: m is in one namespace; name it with -n", id="one model of all namespaces"),
        pytest.param(["m", "--timeout", "9"], "--timeout: is for -w, which waits", id="a limit on nothing"),
        pytest.param(["m", "--fail-fast"], "--fail-fast: is for -w, which waits", id="impatience for nothing"),
    ],
)
def test_status_says_what_is_wrong(options: list[str], want: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", *options], OFFLINE) == 2
    assert capsys.readouterr() == ("", f"genmodel: {want}\n")


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "1.5"])
def test_a_time_that_is_none(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["status", "m", "-w", "--timeout", seconds])
    assert ended.value.code == 2
    assert "is not a whole number of seconds, such as 900" in capsys.readouterr().err


def test_every_command_has_help() -> None:
    text = build_parser().format_help()
    for command in ("run", "crd", "status", "plan", "render", "facts", "estimate", "update", "version"):
        assert f"    {command} " in text
    assert "exit codes:" in text


def test_a_reader_that_stops_early_is_no_error() -> None:
    command = f"{sys.executable} -m genmodel_operator.cli crd | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
