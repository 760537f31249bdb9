"""What a user may and may not change on the engine's command line and in its environment."""

import argparse
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genmodel_operator.api.v1alpha1 import EnvVar
from genmodel_operator.engines import engine_for
from genmodel_operator.engines.overrides import OURS, overridden_args, overridden_env
from genmodel_operator.hub.facts import ServedTask
from tests.builders import A_COMMIT, a_gpu_plan, some_facts

KNOWN_FLAGS = set(json.loads(Path(__file__).with_name("vllm-0.32.0-flags.json").read_text())["flags"])


@pytest.mark.parametrize(
    ("user_args", "want_kept", "want_overridden"),
    [
        pytest.param([], [], [], id="nothing"),
        pytest.param(["--enforce-eager"], ["--enforce-eager"], [], id="a switch of the engine"),
        pytest.param(
            ["--max-num-seqs", "8", "--seed=1"], ["--max-num-seqs", "8", "--seed=1"], [], id="tuning is the user's"
        ),
        pytest.param(["--port", "9000", "--seed", "1"], ["--seed", "1"], ["--port"], id="value in the next argument"),
        pytest.param(["--port=9000", "--seed", "1"], ["--seed", "1"], ["--port"], id="value after an equals sign"),
        pytest.param(["--max_model_len", "8"], [], ["--max_model_len"], id="underscores"),
        pytest.param(["--max-model-len", "-1"], [], ["--max-model-len"], id="a negative number is a value"),
        pytest.param(
            ["--served-model-name", "a", "b", "--seed", "1"],
            ["--seed", "1"],
            ["--served-model-name"],
            id="several values",
        ),
        pytest.param(
            ["--trust-remote-code", "--seed", "1"], ["--seed", "1"], ["--trust-remote-code"], id="no value to take"
        ),
        pytest.param(["--no-disable-fastapi-docs"], [], ["--no-disable-fastapi-docs"], id="negated switch"),
        pytest.param(["--trust-rem"], [], ["--trust-rem"], id="abbreviation"),
        pytest.param(["--mod=evil"], [], ["--mod"], id="abbreviation with a value"),
        pytest.param(["-tp", "4"], [], ["-tp"], id="short flag"),
        pytest.param(["-tp=4"], [], ["-tp"], id="short flag with equals sign"),
        pytest.param(["-qawq"], [], ["-q"], id="short flag with its value attached"),
        pytest.param(["-O3"], ["-O3"], [], id="another short flag with its value attached"),
        pytest.param(
            ["--profiler-config.profiler", "torch"], [], ["--profiler-config.profiler"], id="a field of a JSON flag"
        ),
        pytest.param(["--api-key", "one", "two"], [], ["--api-key"], id="keys are not shown again"),
        pytest.param(["--port", "1", "--port=2"], [], ["--port"], id="named once"),
        pytest.param(["--port"], [], ["--port"], id="value missing at the end"),
        pytest.param(["--model-impl", "vllm"], ["--model-impl", "vllm"], [], id="longer flag that starts like ours"),
        pytest.param(["--tokenizer", "--port", "1"], ["--tokenizer"], ["--port"], id="ours after a bare flag"),
        pytest.param(["--hf-overrides", '{"a": 1}'], ["--hf-overrides", '{"a": 1}'], [], id="JSON value"),
        pytest.param(["--help=all"], [], ["--help"], id="help would end the engine"),
        pytest.param(["value", ""], ["value", ""], [], id="bare and empty arguments are left to the engine"),
    ],
)
def test_args(user_args: list[str], want_kept: list[str], want_overridden: list[str]) -> None:
    assert overridden_args(user_args) == (want_kept, want_overridden)


def test_the_list_names_flags_of_the_shipped_engine() -> None:
    assert set(OURS) - {"--help"} <= KNOWN_FLAGS


def test_no_flag_of_the_engine_is_dropped_because_ours_starts_like_it() -> None:
    dropped = {flag for flag in KNOWN_FLAGS if flag.startswith("--") and overridden_args([flag])[1]}
    negated = {"--no-" + flag.removeprefix("--") for flag in OURS} & KNOWN_FLAGS
    assert dropped == (set(OURS) - {"--help"}) | negated


SPELLINGS = st.one_of(
    st.sampled_from(sorted(OURS)),
    st.sampled_from(sorted(OURS)).map(lambda flag: "--" + flag[2:].replace("-", "_")),
    st.sampled_from(sorted(OURS)).flatmap(lambda flag: st.integers(4, len(flag)).map(lambda end: flag[:end])),
    st.sampled_from(["-tp", "-q", "-n", "-dp", "-pp"]),
    st.sampled_from(["--seed", "--enforce-eager", "--max-num-seqs"]),
)
VALUES = st.lists(st.sampled_from(["8", "evil", "-1", "a b", "$(HOME)", "--port=1"]), max_size=2)
USER_ARGS = st.lists(st.tuples(SPELLINGS, VALUES).map(lambda pair: [pair[0], *pair[1]]), max_size=4).map(
    lambda groups: [argument for group in groups for argument in group]
)


class StrictParser(argparse.ArgumentParser):
    """Reads flags as the engine does: by argparse, last one wins, abbreviations completed."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise ValueError(message)


def engine_parser() -> StrictParser:
    parser = StrictParser(add_help=False)
    parser.add_argument("model_tag", nargs="?")
    for flag, arity in OURS.items():
        if arity == "none":
            parser.add_argument(flag, action="store_true")
        else:
            parser.add_argument(flag, nargs="+" if arity == "many" else None)
    parser.add_argument("--enforce-eager", action="store_true")
    parser.add_argument("--disable-access-log-for-endpoints")
    for flag in ("--seed", "--max-num-seqs", "--max-num-batched-tokens", "--gpu-memory-utilization"):
        parser.add_argument(flag)
    return parser


@given(USER_ARGS)
def test_whatever_a_user_writes_our_values_reach_the_engine(user_args: list[str]) -> None:
    plan = a_gpu_plan()
    kept, _ = overridden_args(user_args)
    ours = engine_for(plan).args(some_facts(), plan, ("mistral", "org/name"), task=ServedTask.GENERATE)
    dashed = [a.replace("_", "-") if a.startswith("--") else a for a in ours.around(kept)]
    try:
        read = vars(engine_parser().parse_args(dashed))
    except ValueError:
        return  # The engine refuses the line: exit code 2, reported as BadEngineArgument.
    assert read["model"] == f"/models/{A_COMMIT}"
    assert read["served_model_name"] == ["mistral", "org/name"]
    assert (read["host"], read["port"]) == ("0.0.0.0", "8000")
    assert (read["max_model_len"], read["tensor_parallel_size"]) == ("16384", "1")
    assert not read["trust_remote_code"]
    assert read["api_key"] is None
    assert read["middleware"] is None


@given(st.lists(st.text(max_size=8), max_size=6))
def test_nothing_else_is_touched_and_doing_it_twice_changes_nothing(user_args: list[str]) -> None:
    kept, overridden = overridden_args(user_args)
    assert overridden_args(kept) == (kept, [])
    if not overridden:
        assert kept == user_args


@pytest.mark.parametrize(
    ("name", "want_kept"),
    [
        pytest.param("VLLM_LOGGING_LEVEL", True, id="log level is the user's"),
        pytest.param("VLLM_MAX_N_SEQUENCES", True, id="request limit is the user's"),
        pytest.param("PYTHONPATH", True, id="import path is the image's"),
        pytest.param("GENMODEL_COMMIT", False, id="contract"),
        pytest.param("GENMODEL_ANYTHING", False, id="contract of a later release"),
        pytest.param("HF_HUB_OFFLINE", False, id="no network"),
        pytest.param("HF_TOKEN", False, id="no token in the server"),
        pytest.param("VLLM_SERVER_DEV_MODE", False, id="development routes"),
        pytest.param("VLLM_ALLOW_RUNTIME_LORA_UPDATING", False, id="adapters over HTTP"),
        pytest.param("VLLM_CPU_KVCACHE_SPACE", False, id="the plan's cache"),
        pytest.param("NVIDIA_VISIBLE_DEVICES", False, id="devices of others"),
        pytest.param("HOME", False, id="writable home"),
    ],
)
def test_env(name: str, want_kept: bool) -> None:
    variable = EnvVar(name=name, value="secret")
    assert overridden_env([variable]) == (([variable], []) if want_kept else ([], [name]))
