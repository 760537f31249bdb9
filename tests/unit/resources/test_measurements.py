"""Measurements in their ConfigMap, written and read back, whatever people make of it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from genmodel_operator.api import labels
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.resources.measurements import (
    MOST_ENTRIES,
    build_measurements,
    engine_options,
    entry_name,
    estimate_of,
    is_ours,
    measurement_from,
    parse_measurements,
)
from genmodel_operator.resources.revision import Revision, freeze, inputs_of
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.corrections import Figures
from genmodel_operator.sizing.memory import GIB
from tests.builders import A_COMMIT, a_gpu_plan, a_model, some_facts
from tests.builders_measurements import a_measurement

NOW = "2026-11-24T10:00:00Z"
TOLD = {
    "contract": 1,
    "phase": "Serving",
    "measured": {"weightsGiB": 14.99, "kvCacheGiB": 4.0, "kvTokens": 32768, "cudaGraphGiB": 0.31, "startSeconds": 41.0},
    "engine": {"name": "vllm", "version": "0.32.0"},
}


def a_revision(**spec: Any) -> Revision:
    return freeze(a_model(**spec), some_facts(), ServedTask.GENERATE, a_gpu_plan(), Settings(), number=1)


def a_store(*measurements: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(build_measurements("platform", "kept", measurements)))
    return found


def test_what_was_written_is_read_back() -> None:
    told = [a_measurement(), a_measurement(placement={"tensor_parallel": 2}, weights_gib=None, kv_tokens=None)]

    found, problems = parse_measurements(a_store(*told))

    assert sorted(found, key=entry_name) == sorted(told, key=entry_name)
    assert problems == []


def test_the_object_says_whose_it_is() -> None:
    store = a_store(a_measurement())

    assert is_ours(store)
    assert store["metadata"]["labels"][labels.MANAGED_BY_KEY] == "genmodel-operator"
    assert labels.MODEL not in store["metadata"]["labels"]
    (name,) = store["data"]
    assert name.startswith(A_COMMIT[:12])


@pytest.mark.parametrize(
    "own",
    [
        pytest.param({}, id="no labels"),
        pytest.param({labels.MANAGED_BY_KEY: "Helm"}, id="another tool's"),
        pytest.param({labels.MANAGED_BY_KEY: "genmodel-operator"}, id="another object of ours"),
    ],
)
def test_an_object_of_somebody_else_is_known(own: dict[str, str]) -> None:
    assert not is_ours({"metadata": {"name": "kept", "labels": own}})
    assert not is_ours({"metadata": {"name": "kept"}})


def test_only_the_newest_are_kept() -> None:
    told = [
        a_measurement(origin={"commit": f"{number:040x}"}, at=f"2026-11-24T{number // 60 % 24:02}:{number % 60:02}:00Z")
        for number in range(MOST_ENTRIES + 10)
    ]

    found, _ = parse_measurements(a_store(*told))

    assert len(found) == MOST_ENTRIES
    assert {entry_name(one) for one in found} == {entry_name(one) for one in told[10:]}
    assert len(json.dumps(a_store(*told))) < 512 * 1024


def changed(**values: Any) -> str:
    entry = json.loads(next(iter(a_store(a_measurement())["data"].values())))
    return json.dumps({key: value for key, value in (entry | values).items() if value is not ...})


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("hello", id="no JSON"),
        pytest.param("[]", id="a list"),
        pytest.param("null", id="null"),
        pytest.param("{}", id="nothing in it"),
        pytest.param(changed(weightsGiB="much"), id="a word for a number"),
        pytest.param(changed(weightsGiB=-1), id="negative"),
        pytest.param(changed(weightsGiB=1e999), id="infinite"),
        pytest.param(changed(kvTokens=0), id="no tokens"),
        pytest.param(changed(tensorParallel=0), id="no device"),
        pytest.param(changed(commit=...), id="no commit"),
        pytest.param(changed(format=2), id="of a newer operator"),
        pytest.param(changed(measuredAt="yesterday"), id="no time"),
        pytest.param(changed(product="NVIDIA-H100-80GB-HBM3"), id="moved to another device by hand"),
        pytest.param("{" * 10_000, id="deeply nested"),
    ],
)
def test_an_entry_that_is_none_of_ours_is_passed_over_and_named(text: str) -> None:
    store = a_store(a_measurement(), a_measurement(placement={"tensor_parallel": 2}))
    broken = entry_name(a_measurement())
    store["data"][broken] = text

    found, problems = parse_measurements(store)

    assert found == [a_measurement(placement={"tensor_parallel": 2})]
    assert len(problems) == 1
    assert problems[0].startswith(f"{broken}: ")
    assert "\n" not in problems[0]


def test_a_field_of_a_newer_operator_is_passed_over() -> None:
    store = a_store(a_measurement())
    store["data"] = {entry_name(a_measurement()): changed(temperature=21)}

    assert parse_measurements(store) == ([a_measurement()], [])


@pytest.mark.parametrize("store", [pytest.param({}, id="none"), pytest.param({"data": None}, id="null")])
def test_an_empty_store(store: dict[str, Any]) -> None:
    assert parse_measurements(store) == ([], [])


# -- from a pod


def test_a_pod_s_figures() -> None:
    revision = a_revision()

    told = measurement_from(revision, TOLD, now=NOW)

    assert told is not None
    assert told.figures == Figures(
        weights_gib=14.99, cuda_graph_gib=0.31, kv_tokens=32768, kv_cache_bytes=4 * GIB, max_model_len=16384
    )
    assert (told.origin.commit, told.origin.engine_version, told.origin.options) == (A_COMMIT, "0.32.0", "")
    assert told.origin.image == revision.engine_image
    assert (told.placement.product, told.placement.max_num_seqs, told.measured_at) == ("NVIDIA-L4", 64, NOW)


def test_the_version_of_a_build_is_that_of_its_release() -> None:
    told = measurement_from(a_revision(), TOLD | {"engine": {"version": "0.32.0+cpu"}}, now=NOW)

    assert told is not None
    assert told.origin.engine_version == "0.32.0"


def test_a_cache_of_another_size_than_asked_for_is_taken_as_the_engine_says() -> None:
    measured = TOLD["measured"] | {"kvCacheGiB": 3.5}  # type: ignore[operator]

    told = measurement_from(a_revision(), TOLD | {"measured": measured}, now=NOW)

    assert told is not None
    assert told.figures.kv_cache_bytes == int(3.5 * GIB)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({}, id="empty"),
        pytest.param({"measured": None, "engine": None}, id="null"),
        pytest.param({"measured": [], "engine": "vllm"}, id="of other types"),
        pytest.param({"measured": {"weightsGiB": 1.0}}, id="no engine"),
        pytest.param({"measured": {"weightsGiB": 1.0}, "engine": {"version": 32}}, id="a number for a version"),
        pytest.param({"measured": {"weightsGiB": 1.0}, "engine": {"version": ""}}, id="no version"),
    ],
)
def test_a_pod_that_does_not_say_what_it_is(document: dict[str, Any]) -> None:
    assert measurement_from(a_revision(), document, now=NOW) is None


@pytest.mark.parametrize("value", ["14.99", None, True, [], {}, float("nan"), float("inf")])
def test_figures_that_are_no_numbers_are_unknown(value: Any) -> None:
    document = TOLD | {"measured": {"weightsGiB": value, "activationGiB": value, "kvTokens": value}}

    told = measurement_from(a_revision(), document, now=NOW)

    assert told is not None
    assert not told.figures.are_any


def test_the_plan_is_what_it_is_held_to() -> None:
    estimate = estimate_of(a_revision())

    assert (estimate.total_gib, estimate.weights_gib, estimate.kv_tokens) == (22.5, 13.5, 32768)


@pytest.mark.parametrize(
    ("spec", "want_same"),
    [
        pytest.param({}, True, id="nothing asked for"),
        pytest.param({"context": {"maxModelLen": 4096}}, True, id="a length"),
        pytest.param({"accelerator": {"policy": "FewestDevices"}}, True, id="a policy"),
        pytest.param({"replicas": 3}, True, id="replicas"),
        pytest.param({"engine": {"args": ["--enforce-eager"]}}, False, id="an argument"),
        pytest.param({"engine": {"image": "registry.example/vllm:own"}}, False, id="an image"),
        pytest.param({"engine": {"env": [{"name": "VLLM_USE_V1", "value": "0"}]}}, False, id="a variable"),
        pytest.param({"precision": "FP8"}, False, id="a precision"),
        pytest.param({"task": "Embed"}, False, id="a task"),
    ],
)
def test_what_reaches_the_engine_keeps_measurements_apart(spec: dict[str, Any], want_same: bool) -> None:
    digest = engine_options(inputs_of(a_model(**spec), A_COMMIT))

    assert (digest == "") is want_same


def test_a_field_that_is_not_known_keeps_measurements_apart() -> None:
    assert engine_options({"spec": {"model": "a/b", "adapters": ["x"]}}) != ""


def test_the_name_of_an_entry_tells_all_of_its_key() -> None:
    names = {
        entry_name(one)
        for one in (
            a_measurement(),
            a_measurement(origin={"options": "1"}),
            a_measurement(origin={"image": "other"}),
            a_measurement(placement={"dtype": "float16"}),
            a_measurement(placement={"max_num_seqs": 1}),
        )
    }
    assert len(names) == 5
    assert entry_name(a_measurement()) == entry_name(replace(a_measurement(weights_gib=1.0), measured_at=NOW))
