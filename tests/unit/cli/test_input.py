import io
from pathlib import Path
from typing import Any

import pytest

from genmodel_operator.cli.input import NO_UID, CommandError, parse_model, parse_options, read_documents, read_models
from tests.crd_samples import SAMPLES, RuleSample, manifest


def lines_of(document: Any) -> tuple[str, ...]:
    with pytest.raises(CommandError) as refused:
        parse_model(document, filename="m.yaml", namespace=None)
    assert refused.value.exit_code == 2
    return refused.value.lines


@pytest.mark.parametrize(
    ("document", "want"),
    [
        pytest.param(
            manifest(contxt={"maxModelLen": 4096}),
            "m.yaml: spec.contxt: unknown field; did you mean context?",
            id="a misspelt field",
        ),
        pytest.param(
            manifest(context={"maxmodellen": 4096}),
            "m.yaml: spec.context.maxmodellen: unknown field; did you mean maxModelLen?",
            id="a field in another case",
        ),
        pytest.param(
            manifest(context={"tokens": 4096}),
            "m.yaml: spec.context.tokens: unknown field; known here: maxModelLen, concurrency",
            id="a field like none",
        ),
        pytest.param(
            manifest(engine={"env": [{"name": "A", "values": "1"}]}),
            "m.yaml: spec.engine.env[0].values: unknown field; did you mean value?",
            id="a misspelt field in a list",
        ),
        pytest.param(
            manifest(model="mistral"),
            "m.yaml: spec.model: 'mistral': must be org/name as on the Hub, "
            "for example mistralai/Mistral-7B-Instruct-v0.3",
            id="a malformed model",
        ),
        pytest.param(
            manifest(context={"maxModelLen": 3}),
            "m.yaml: spec.context.maxModelLen: '3': Input should be greater than or equal to 16",
            id="a number below its bound",
        ),
        pytest.param(
            manifest(replicas="3"),
            "m.yaml: spec.replicas: '3': Input should be a valid integer",
            id="words for a number, as the API server says",
        ),
        pytest.param(
            manifest(task="Chat"),
            "m.yaml: spec.task: 'Chat': Input should be 'Auto', 'Generate', 'Embed' or 'Score'",
            id="a word that is not in the enum",
        ),
        pytest.param({**manifest(), "spec": {}}, "m.yaml: spec.model: is missing", id="no model"),
        pytest.param({**manifest(), "spec": None}, "m.yaml: spec: Input should be an object", id="an empty spec"),
        pytest.param(
            {key: value for key, value in manifest().items() if key != "metadata"},
            "m.yaml: metadata.name: is missing; it names the model's Service",
            id="no metadata",
        ),
        pytest.param({**manifest(), "metadata": {}}, "m.yaml: metadata.name: is missing", id="no name"),
        pytest.param(
            {**manifest(), "apiVersion": "genmodel.dev/v1"},
            "m.yaml: apiVersion: 'genmodel.dev/v1' is not genmodel.dev/v1alpha1",
            id="another version",
        ),
        pytest.param(
            {**manifest(), "kind": "Deployment"}, "m.yaml: kind: 'Deployment' is not GenerativeModel", id="another kind"
        ),
        pytest.param(["a"], "m.yaml: holds list, not an object with apiVersion and kind", id="a list"),
    ],
)
def test_bad_input_is_named_by_field_value_and_way_out(document: Any, want: str) -> None:
    assert any(line.startswith(want) for line in lines_of(document)), lines_of(document)


def test_every_finding_is_told_at_once() -> None:
    assert len(lines_of(manifest(contxt={}, modle="a"))) == 2
    assert len(lines_of(manifest(replicas=-1, context={"maxModelLen": 3}))) == 2


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.id)
def test_offline_input_obeys_the_rules_of_the_api_server(sample: RuleSample) -> None:
    assert parse_model(sample.keeps, filename="m.yaml", namespace=None).spec.model
    (line,) = lines_of(sample.breaks)
    assert sample.message in line


def test_what_the_api_server_would_fill_in_is_filled_in() -> None:
    model = parse_model(manifest(), filename="m.yaml", namespace="team-a")
    assert (model.metadata.namespace, model.metadata.uid) == ("team-a", NO_UID)
    assert model.spec.context.concurrency == 1


@pytest.mark.parametrize(
    ("namespace", "written", "want"),
    [
        pytest.param(None, None, "default", id="nobody says"),
        pytest.param("team-a", None, "team-a", id="the option"),
        pytest.param("team-a", "team-b", "team-b", id="the file wins"),
    ],
)
def test_namespace(namespace: str | None, written: str | None, want: str) -> None:
    document = manifest()
    if written:
        document["metadata"]["namespace"] = written
    assert parse_model(document, filename="m.yaml", namespace=namespace).metadata.namespace == want


def test_several_models_in_one_file(tmp_path: Path) -> None:
    file = tmp_path / "models.yaml"
    text = "apiVersion: genmodel.dev/v1alpha1\nkind: GenerativeModel\nmetadata: {name: NAME}\nspec: {model: a/b}\n"
    file.write_text(f"---\n{text.replace('NAME', 'one')}---\n{text.replace('NAME', 'two')}---\n")
    assert [model.metadata.name for model in read_models(str(file), None)] == ["one", "two"]


def test_a_branch_that_looks_like_a_date_stays_text(tmp_path: Path) -> None:
    file = tmp_path / "model.yaml"
    file.write_text("revision: 2024-06-27\n")
    assert read_documents(str(file)) == [{"revision": "2024-06-27"}]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        pytest.param("a: [", "no valid YAML", id="broken YAML"),
        pytest.param("", "no object in this file", id="an empty file"),
        pytest.param("---\n---\n", "no object in this file", id="empty documents"),
    ],
)
def test_a_file_that_holds_no_model(tmp_path: Path, text: str, want: str) -> None:
    file = tmp_path / "model.yaml"
    file.write_text(text)
    with pytest.raises(CommandError, match=want):
        read_models(str(file), None)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(CommandError, match=r"no/such/file: cannot be read: .*No such file"):
        read_models("no/such/file", None)


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a: 1\n"))
    assert read_documents("-") == [{"a": 1}]


@pytest.mark.parametrize(
    ("options", "want"),
    [
        pytest.param({"model": "mistral"}, "REPO 'mistral': must be org/name", id="the repository"),
        pytest.param({"revision": "a b"}, "--revision 'a b': must be a branch", id="the revision"),
        pytest.param({"endpoint": "hub"}, "--endpoint 'hub': must be an address", id="the endpoint"),
    ],
)
def test_wrong_options_are_named(options: dict[str, str], want: str) -> None:
    with pytest.raises(CommandError, match=want):
        parse_options(**{"model": "a/b", "revision": "main", "endpoint": "http://hub", **options})
