"""``genmodel plan`` as a whole, without Hub and cluster."""

import io
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from genmodel_operator.cli import main
from genmodel_operator.cli.facts_file import facts_text
from tests.builders import some_facts
from tests.builders_sizing import LLAMA_31_8B, MINILM, facts_of
from tests.crd_samples import MODEL, manifest
from tests.fakes.hub_models import llama_files

OFFLINE = {"HOME": "/nowhere"}

Said = tuple[int, str, str]


@pytest.fixture
def facts_file(tmp_path: Path) -> str:
    file = tmp_path / "facts.json"
    file.write_text(facts_text(facts_of(LLAMA_31_8B, repository=MODEL)))
    return str(file)


def plan(capsys: pytest.CaptureFixture[str], *arguments: str, **environ: str) -> Said:
    with ThreadPoolExecutor(max_workers=1) as thread:
        code = thread.submit(main, ["plan", *arguments], OFFLINE | environ).result()
    said = capsys.readouterr()
    return code, said.out, said.err


def test_text(facts_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = plan(capsys, "--facts", facts_file, "--gpu", "l4", "--count", "2")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == MODEL
    assert "1 x NVIDIA L4 per replica; 2 replicas fit on 1 node with 2 x NVIDIA L4" in lines
    shown = [line.split()[0] for line in lines if line.endswith("%")]
    assert shown == ["weights", "KV", "activation", "overhead", "margin,"]
    assert "not chosen" in lines


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_documents_have_the_documented_fields(facts_file: str, output: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = plan(capsys, "--facts", facts_file, "--gpu", "l4", "-o", output)
    assert (code, err) == (0, "")
    document = json.loads(out) if output == "json" else yaml.safe_load(out)
    assert list(document) == ["version", "model", "plan", "server", "refusal", "nodes", "warnings"]
    assert (document["version"], document["refusal"], document["warnings"]) == (1, None, [])
    assert document["model"]["repository"] == MODEL
    assert document["model"]["source"] == facts_file
    assert document["plan"]["accelerator"] == {"resource": "nvidia.com/gpu", "product": "NVIDIA-L4", "count": 1}
    memory = document["plan"]["memory"]
    assert sum(gib for name, gib in memory.items() if name != "totalGiB") == pytest.approx(memory["totalGiB"])
    assert document["server"]["arguments"][-2:] == [
        "--kv-cache-memory-bytes",
        str(document["server"]["kvCacheBytes"]),
    ]
    (group,) = document["nodes"]["groups"]
    assert (group["product"], group["devicesPerNode"], group["computeCapability"]) == ("NVIDIA-L4", 1, "8.9")


def test_the_same_question_has_the_same_answer(facts_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    answers = {plan(capsys, "--facts", facts_file, "--gpu", "h100:8", "--gpu", "l4")[1] for _ in range(2)}
    assert len(answers) == 1


def test_wishes_change_the_plan(facts_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    wishes = ["--max-model-len", "4096", "--concurrency", "4", "--precision", "fp16", "--task", "generate"]
    _, out, err = plan(capsys, "--facts", facts_file, "--gpu", "l40s", *wishes, "-o", "json")
    assert err == ""
    document = json.loads(out)
    assert document["plan"]["maxModelLen"] == 4096
    assert document["plan"]["concurrency"] >= 4
    assert document["server"]["dtype"] == "float16"
    assert document["model"]["task"] == "Generate"


def test_the_policy_chooses(facts_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = {}
    for policy in ("Cheapest", "LargestContext"):
        options = ["--gpu", "l4", "--gpu", "h100", "--policy", policy.lower(), "-o", "json"]
        chosen[policy] = json.loads(plan(capsys, "--facts", facts_file, *options)[1])["plan"]["accelerator"]["product"]
    assert chosen == {"Cheapest": "NVIDIA-L4", "LargestContext": "NVIDIA-H100-80GB-HBM3"}


def test_a_manifest_with_facts(tmp_path: Path, facts_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "model.yaml"
    file.write_text(yaml.safe_dump(manifest("mistral", engine={"args": ["--seed", "1", "--port", "9"]})))
    code, out, err = plan(capsys, "-f", str(file), "--facts", facts_file, "--gpu", "l4", "-o", "json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["plan"]["overridden"] == ["--port"]
    arguments = document["server"]["arguments"]
    served = arguments.index("--served-model-name")
    assert arguments[served + 1 : served + 3] == ["mistral", MODEL]
    assert "--seed" in arguments


def test_a_folder_and_a_config_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content in llama_files().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    code, out, err = plan(capsys, str(tmp_path), "--gpu", "l4", "-o", "json")
    assert (code, err) == (0, "")
    seen = json.loads(out)
    assert (seen["model"]["commit"], seen["warnings"]) == (None, [])
    code, out, _ = plan(capsys, str(tmp_path / "config.json"), "--gpu", "l4", "-o", "json")
    assumed = json.loads(out)
    assert code == 0
    assert "the files were not seen" in assumed["warnings"][0]
    assert assumed["plan"]["memory"] == seen["plan"]["memory"]


def test_memory_without_a_product_is_planned_with_a_warning(
    facts_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = plan(capsys, "--facts", facts_file, "--gpu-memory", "48GiB")
    assert code == 0
    assert "1 x GPU 48GiB per replica" in out
    assert "warning: the GPU's compute capability is taken as 8.0" in out


def test_on_cpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({**LLAMA_31_8B, "num_hidden_layers": 4}))
    code, out, _ = plan(capsys, str(file), "--cpu-memory", "64GiB")
    assert code == 0
    assert "CPU; " in out
    assert "  container " in out


@pytest.mark.parametrize("output", ["text", "json", "yaml"])
def test_a_misfit_is_an_answer_with_the_exit_code_of_render(
    facts_file: str, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = plan(capsys, "--facts", facts_file, "--gpu", "t4", "-o", output)
    assert (code, err) == (4, "")
    if output == "text":
        assert "Not served (NoFit) on 1 node with 1 x Tesla T4" in out
        assert "\nwhat would help" in out
    else:
        document = yaml.safe_load(out)
        assert (document["plan"], document["server"]) == (None, None)
        refusal = document["refusal"]
        assert refusal["reason"] == "NoFit"
        assert refusal["change"]
        assert refusal["rejected"][0]["product"] == "Tesla-T4"


@pytest.mark.parametrize(
    ("options", "want_code", "want"),
    [
        pytest.param([], 2, "nothing to plan: name REPO, or a manifest with -f", id="nothing"),
        pytest.param(["acme/m"], 2, "no cluster to plan for: neither KUBECONFIG nor ~/.kube/config", id="no nodes"),
        pytest.param(["llama", "--gpu", "l4"], 2, "REPO 'llama': must be org/name", id="no repository"),
        pytest.param(["./nowhere", "--gpu", "l4"], 2, "./nowhere: there is no such file or folder", id="no such path"),
        pytest.param(["--facts", "./f", "./m"], 2, "--facts ./f: ./m is given too; give one of both", id="two sources"),
        pytest.param(["-f", "m.yaml", "a/b"], 2, "-f m.yaml: names the model already; leave a/b out", id="two models"),
        pytest.param(["-f", "nowhere.yaml"], 2, "nowhere.yaml: cannot be read", id="no manifest"),
        pytest.param(["a/b", "--gpu", "l44"], 2, "--gpu l44: no known product; did you mean NVIDIA-L4", id="product"),
        pytest.param(["a/b", "--nodes", "nowhere"], 2, "nowhere: cannot be read", id="no file of nodes"),
        pytest.param(["a/b", "--count", "2"], 2, "--count 2: counts the GPUs of", id="a count of nothing"),
        pytest.param(
            ["a/b", "--gpu", "l4", "--engine-version", "0.6.1"],
            2,
            "--engine-version 0.6.1: must be a release of vLLM from 0.8 on, such as ",
            id="an old engine",
        ),
        pytest.param(
            ["a/b", "--gpu", "l4", "--endpoint", "http://127.0.0.1:1"], 3, "HubUnreachable: the Hub at ", id="no Hub"
        ),
    ],
)
def test_what_is_wrong_is_named(
    capsys: pytest.CaptureFixture[str], options: list[str], want_code: int, want: str
) -> None:
    code, out, err = plan(capsys, *options)
    assert (code, out) == (want_code, "")
    assert err.startswith(f"genmodel: {want}")
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("option", "value", "want"),
    [
        ("--precision", "fp7", "'fp7' is not Auto, BFloat16, Float16, Float32, FP8, INT8 or INT4"),
        ("--task", "Dance", "'Dance' is not Auto, Generate, Embed or Score"),
        ("--policy", "best", "'best' is not Cheapest, FewestDevices or LargestContext"),
        ("--accelerator", "TPU", "'TPU' is not Auto, GPU or CPU"),
        ("--kv-cache-precision", "int4", "'int4' is not Auto or FP8"),
        ("--max-model-len", "8k", "'8k' is not a whole number of tokens, such as 8192"),
        ("--max-model-len", "0", "'0' is not a whole number of tokens"),
        ("--concurrency", "-1", "'-1' is not a whole number of requests, such as 4"),
        ("--count", "9" * 5000, "is not a whole number of GPUs, such as 2"),
        ("--output", "xml", "invalid choice: 'xml'"),
    ],
)
def test_wrong_values_name_their_option(option: str, value: str, want: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["plan", "a/b", f"{option}={value}"])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert option in said
    assert want in said


def test_facts_of_another_model_are_told(tmp_path: Path, facts_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "model.yaml"
    file.write_text(yaml.safe_dump(manifest("m", model="a/b")))
    for options in (["a/b"], ["-f", str(file)]):
        code, _, err = plan(capsys, *options, "--facts", facts_file, "--gpu", "l4")
        assert code == 2
        assert f"--facts {facts_file}: holds the facts of {MODEL}, not of a/b" in err


def on_claim(folder: Path) -> str:
    """A manifest of a model whose files are on a claim."""
    file = folder / "model.yaml"
    source = {"persistentVolumeClaim": {"claimName": "models", "path": "llama"}}
    file.write_text(yaml.safe_dump(manifest("m", source=source)))
    return str(file)


@pytest.mark.parametrize(
    ("command", "want"),
    [
        pytest.param("plan", "genmodel plan ./FOLDER -f FILE", id="plan"),
        pytest.param("render", "give --facts FILE", id="render"),
    ],
)
def test_files_on_a_claim_are_asked_for_in_another_way(
    command: str, want: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ThreadPoolExecutor(max_workers=1) as thread:
        code = thread.submit(main, [command, "-f", on_claim(tmp_path), "--gpu", "l4"], OFFLINE).result()
    said = capsys.readouterr().err
    assert code == 2
    assert "spec.source.persistentVolumeClaim: the files are in the folder llama of the claim models" in said
    assert want in said


def test_a_folder_with_the_same_files_is_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for path, content in llama_files().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    code, out, err = plan(capsys, str(folder), "-f", on_claim(tmp_path), "--gpu", "l4")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == MODEL


def test_a_claim_is_rendered_from_given_facts(
    tmp_path: Path, facts_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["render", "-f", on_claim(tmp_path), "--facts", facts_file, "--gpu", "l4"]
    with ThreadPoolExecutor(max_workers=1) as thread:
        code = thread.submit(main, arguments, OFFLINE).result()
    objects = list(yaml.safe_load_all(capsys.readouterr().out))
    assert code == 0
    assert [one["kind"] for one in objects].count("Job") == 1
    deployment = next(one for one in objects if one["kind"] == "Deployment")
    assert "readOnly: true" in yaml.safe_dump(deployment["spec"]["template"]["spec"]["volumes"])


def test_an_architecture_that_the_engine_does_not_run_ends_with_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "facts.json"
    file.write_text(facts_text(some_facts(architecture="NeverHeardOfForCausalLM")))
    code, out, err = plan(capsys, "--facts", str(file), "--gpu", "l4")
    assert (code, out) == (3, "")
    assert "ArchitectureUnsupported: " in err


def test_another_engine_is_a_warning(facts_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = plan(capsys, "--facts", facts_file, "--gpu", "l4", "--engine-version", "0.19.0", "-o", "json")
    document = json.loads(out)
    assert document["server"]["engineVersion"] == "0.19.0"
    assert document["warnings"][0].startswith("memory is that of vLLM 0.19.0")


def test_an_embedding_model_that_is_a_config_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(MINILM))
    code, out, err = plan(capsys, str(file), "--cpu-memory", "16GiB", "-o", "json")
    assert code == 0, err
    assert json.loads(out)["model"]["task"] == "Embed"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "genmodel_operator.cli", "plan", *arguments]


def test_no_client_library_is_loaded_without_hub_and_cluster(facts_file: str) -> None:
    arguments = ["plan", "--facts", facts_file, "--gpu", "l4"]
    code = f"import sys; from genmodel_operator.cli import main; main({arguments!r}); print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    loaded = set(said.splitlines()[-1].split())
    assert "pydantic" in loaded
    assert not loaded & {"kopf", "kubernetes", "huggingface_hub", "httpx2", "aiohttp", "prometheus_client", "rich"}


def test_a_terminal_without_unicode_gets_ascii(facts_file: str) -> None:
    environ = {**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "80"}
    said = subprocess.run(command("--facts", facts_file, "--gpu", "l4"), capture_output=True, check=True, env=environ)
    assert said.stdout.isascii()
    assert b"####" in said.stdout


@pytest.mark.parametrize(
    ("redirection", "want_code", "want"),
    [
        pytest.param("| head -1; exit ${PIPESTATUS[0]}", 0, "", id="a reader that stops early"),
        pytest.param(">/dev/full", 1, "genmodel: standard output: No space left on device", id="a full disk"),
        pytest.param(">&-", 0, "", id="no standard output at all"),
    ],
)
def test_where_the_answer_goes(facts_file: str, redirection: str, want_code: int, want: str) -> None:
    line = f"{' '.join(command('--facts', facts_file, '--gpu', 'l4'))} {redirection}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (want_code, want)


def test_a_manifest_from_standard_input(
    facts_file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text: Any = io.StringIO(yaml.safe_dump(manifest("m", context={"maxModelLen": 2048})))
    monkeypatch.setattr(sys, "stdin", text)
    code, out, _ = plan(capsys, "-f", "-", "--facts", facts_file, "--gpu", "l4", "-o", "json")
    assert (code, json.loads(out)["plan"]["maxModelLen"]) == (0, 2048)


@pytest.mark.parametrize(
    ("variable", "value", "want"),
    [
        pytest.param("ALLOWED_PUBLISHERS", "acme", "PublisherNotAllowed", id="publisher"),
        pytest.param("ALLOWED_LICENSE_CLASSES", "Custom", "LicenseNotAllowed", id="licence"),
    ],
)
def test_what_the_policy_refuses_is_no_plan(
    facts_file: str, capsys: pytest.CaptureFixture[str], variable: str, value: str, want: str
) -> None:
    environ = {f"GENMODEL_OPERATOR_POLICY__{variable}": value}
    code, out, err = plan(capsys, "--facts", facts_file, "--gpu", "l4", **environ)
    assert (code, out) == (3, "")
    assert want in err
