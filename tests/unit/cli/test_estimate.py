"""``genmodel estimate`` as a user runs it."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from genmodel_operator.cli import main
from tests.builders_estimate import a_request


def file_of(tmp_path: Path, *lines: Any) -> str:
    file = tmp_path / "requests.jsonl"
    file.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return str(file)


def test_one_answer_per_request_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = file_of(tmp_path, a_request(id="b"), "", a_request(id="a", tensor_parallel_size=3), "   ", {"id": "c"})
    assert main(["estimate", "--input", file, "--output", "json"], {}) == 0
    said = capsys.readouterr()
    assert [json.loads(line)["id"] for line in said.out.splitlines()] == ["b", "a", "c"]
    assert said.err == ""


def test_short_option_and_repeatable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = file_of(tmp_path, a_request())
    outputs = []
    for options in (["-o", "json"], ["--output", "json"], []):
        assert main(["estimate", "--input", file, *options], {}) == 0
        outputs.append(capsys.readouterr().out)
    assert len(set(outputs)) == 1
    assert outputs[0].endswith("\n")


def test_an_empty_file_has_no_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", "--input", file_of(tmp_path)], {}) == 0
    assert capsys.readouterr().out == ""


def test_standard_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    data = io.BytesIO(json.dumps(a_request()).encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(data))
    assert main(["estimate", "--input", "-"], {}) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "r1"


@pytest.mark.parametrize(
    ("line", "want"),
    [
        pytest.param("{", "line 3: is not JSON", id="an open brace"),
        pytest.param("[]", "line 3: is not a JSON object, but a list", id="a list"),
        pytest.param("null", "line 3: is not a JSON object, but null", id="null"),
        pytest.param("17", "line 3: is not a JSON object, but a number", id="a number"),
        pytest.param('"r1"', "line 3: is not a JSON object, but a string", id="a string"),
        pytest.param("id: r1", "line 3: is not JSON", id="YAML"),
        pytest.param('{"id": "a"} {"id": "b"}', "line 3: is not JSON", id="two on one line"),
        pytest.param("[" * 200_000, "line 3: is", id="nested without end"),
        pytest.param("9" * 10_000, "line 3: is not a JSON object, but a number", id="a number of thousands of digits"),
    ],
)
def test_a_bad_line_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, want: str) -> None:
    file = file_of(tmp_path, a_request(), "", line)
    assert main(["estimate", "--input", file], {}) == 2
    said = capsys.readouterr()
    assert want in said.err
    assert said.out == ""


DEEP = "[" * 200_000 + "]" * 200_000
LONG = "9" * 6000


@pytest.mark.parametrize(
    ("line", "want_id", "want_words"),
    [
        pytest.param(f'{{"id": "x", "model": {DEEP}}}', "x", "nested too deeply", id="nested without end"),
        pytest.param(f'{{"model": {DEEP}, "id": "x"}}', None, "nested too deeply", id="nested before its id"),
        pytest.param(f'{{"id": {LONG}}}', None, "model: is missing", id="a long id"),
        pytest.param(
            json.dumps(a_request(id="x")).replace('"max_model_len": 8192', f'"max_model_len": {LONG}'),
            "x",
            "max_model_len: a number of more than 40 digits",
            id="a long length",
        ),
        pytest.param(
            json.dumps(a_request(id="x")).replace('"hidden_size": 4096', f'"hidden_size": -{LONG}'),
            "x",
            "hidden_size in config.json is",
            id="a long size in the configuration",
        ),
    ],
)
def test_an_object_that_no_reader_holds_is_answered_on_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, want_id: str | None, want_words: str
) -> None:
    file = file_of(tmp_path, a_request(id="a"), line, a_request(id="b"))
    assert main(["estimate", "--input", file], {}) == 0
    first, answer, last = (json.loads(one) for one in capsys.readouterr().out.splitlines())
    assert (first["id"], last["id"]) == ("a", "b")
    assert (answer["id"], answer["error"]["reason"]) == (want_id, "InvalidRequest")
    assert want_words in answer["error"]["message"]


def test_bytes_that_are_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "requests.jsonl"
    file.write_bytes(b'{"id": "\xff"}\n')
    assert main(["estimate", "--input", str(file)], {}) == 2
    assert "line 1: is not UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", "--input", str(tmp_path / name)], {}) == 2
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--input"], ["--input", "a", "-o", "yaml"], ["--frobnicate"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["estimate", *arguments])
    assert ended.value.code == 2
    assert "usage: genmodel" in capsys.readouterr().err


def test_odd_text_survives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = 'ü \u2028 "quoted" \ud800'
    assert main(["estimate", "--input", file_of(tmp_path, {"id": name})], {}) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["id"] == name


def test_it_needs_no_network_no_cluster_and_no_large_import(tmp_path: Path) -> None:
    """The command as a process: what it imports, and that nothing but answers is on standard output."""
    code = (
        "import sys; from genmodel_operator.cli import main; code = main(sys.argv[1:]); "
        "large = {'kubernetes', 'kopf', 'aiohttp', 'huggingface_hub', 'torch', 'transformers', 'vllm'}; "
        "assert not large & set(sys.modules), large & set(sys.modules); sys.exit(code)"
    )
    arguments = ["estimate", "--input", file_of(tmp_path, a_request())]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env={}, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["starts"] is True
