"""What a user writes reaches the container as it was written; nothing is ever run through a shell."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.resources import build_all
from genmodel_operator.resources.literal import literal
from genmodel_operator.settings import Settings
from tests.builders import a_cpu_plan, a_gpu_plan, a_model, some_facts

METACHARACTERS = "; rm -rf / $(id) `id` ${HOME} $HOME $$ $$(HOME) '\" | & > < \n \t \\ * ? ~ ! #"


def expanded(text: str, variables: dict[str, str]) -> str:
    """What the kubelet makes of a command, argument or variable: third_party/forked/golang/expansion."""
    out: list[str] = []
    index = 0
    while index < len(text):
        if text[index] != "$" or index + 1 == len(text):
            out.append(text[index])
            index += 1
            continue
        following = text[index + 1]
        close = text.find(")", index + 2) if following == "(" else -1
        if following == "$":
            out.append("$")
            index += 2
        elif close >= 0:
            name = text[index + 2 : close]
            out.append(variables.get(name, f"$({name})"))
            index = close + 1
        else:
            out.append(text[index : index + 2])
            index += 2
    return "".join(out)


def server_of(model: Any) -> dict[str, Any]:
    deployment = build_all(model, some_facts(), ServedTask.GENERATE, a_cpu_plan(), Settings())[1]
    container: dict[str, Any] = deployment["spec"]["template"]["spec"]["containers"][0]
    return container


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("$(HOME)", id="a variable"),
        pytest.param("$$(HOME)", id="an escaped variable"),
        pytest.param("$", id="a single dollar"),
        pytest.param("a$$$b", id="three dollars"),
        pytest.param("$(", id="half a variable"),
        pytest.param(METACHARACTERS, id="everything a shell would read"),
    ],
)
def test_the_kubelet_gives_it_back(text: str) -> None:
    assert expanded(literal(text), {"HOME": "/root"}) == text


def test_the_model_of_the_kubelet_does_expand() -> None:
    assert expanded("$(HOME)/x $(NO) $$(HOME)", {"HOME": "/root"}) == "/root/x $(NO) $(HOME)"


@given(st.text(max_size=40))
@example(METACHARACTERS)
def test_any_text_survives(text: str) -> None:
    assert expanded(literal(text), {"HOME": "/root", "": "empty"}) == text


PRINTABLE = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=30)
TEXT = st.one_of(PRINTABLE, st.sampled_from([METACHARACTERS, "$(GENMODEL_COMMIT)", "- --", "{{.}}", "yes", "0x1f"]))
ARGS = st.lists(TEXT.map(lambda text: "--seed=" + text), max_size=4)
ENV = st.lists(TEXT, max_size=3).map(lambda values: [{"name": f"USER_{i}", "value": v} for i, v in enumerate(values)])


@given(ARGS, ENV)
def test_arguments_and_variables_are_data(args: list[str], env: list[dict[str, str]]) -> None:
    server = server_of(a_model(engine={"args": args, "env": env}))
    read = yaml.safe_load(yaml.safe_dump(json.loads(json.dumps(server))))
    variables = {entry["name"]: entry.get("value", "") for entry in read["env"]}
    seen = [expanded(argument, variables) for argument in read["args"] if argument.startswith("--seed=")]
    assert seen == args
    for entry in env:
        assert expanded(variables[entry["name"]], variables) == entry["value"]
    assert read["command"] == ["python3", "-m", "genmodel_runtime", "serve", "--"]


ENTRIES = [
    pytest.param({"name": "A", "value": "b"}, {"name": "A", "value": "b"}, id="a value"),
    pytest.param({"name": "A", "value": ""}, {"name": "A"}, id="an empty value is left out"),
    pytest.param(
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        id="a reference to a Secret",
    ),
    pytest.param(
        {"name": "VLLM_MAX_N_SEQUENCES", "value": "4"},
        {"name": "VLLM_MAX_N_SEQUENCES", "value": "4"},
        id="ours is replaced where it may be",
    ),
]


@pytest.mark.parametrize(("written", "want"), ENTRIES)
def test_users_variables(written: dict[str, Any], want: dict[str, Any]) -> None:
    env = server_of(a_model(engine={"env": [written]}))["env"]
    assert [entry for entry in env if entry["name"] == written["name"]] == [want]


def test_variables_have_one_value_each() -> None:
    user_env = [{"name": name, "value": "x"} for name in ("HOME", "USER", "VLLM_HOST_IP", "GENMODEL_TASK", "MINE")]
    names = [entry["name"] for entry in server_of(a_model(engine={"env": user_env}))["env"]]
    assert len(names) == len(set(names))
    assert "MINE" in names


def test_users_arguments_come_before_ours_and_after_what_they_may_change() -> None:
    model = a_model(engine={"args": ["--max-num-seqs", "8", "--port", "1"]})
    args = build_all(model, some_facts(), ServedTask.GENERATE, a_gpu_plan(), Settings())[1]["spec"]["template"]["spec"][
        "containers"
    ][0]["args"]
    first, second = (index for index, argument in enumerate(args) if argument == "--max-num-seqs")
    assert args[second + 1] == "8"
    assert first < second < args.index("--model")
    assert args.count("--port") == 1
