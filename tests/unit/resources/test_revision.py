"""Freezing a revision and reading it back."""

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

from genmodel_operator.api import labels
from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.resources.deployment import build_deployment
from genmodel_operator.resources.hashing import with_desired_hash
from genmodel_operator.resources.revision import (
    Revision,
    build_controller_revision,
    freeze,
    inputs_hash,
    inputs_of,
    revision_from_object,
)
from genmodel_operator.settings import EngineSettings, Settings
from genmodel_operator.sizing.accelerators import Taint
from genmodel_operator.sizing.plan import RejectedCandidate, ServingPlan, plan_to_json
from tests.builders import A_COMMIT, a_cpu_plan, a_gpu_plan, a_model, some_facts

RICH_PLAN = a_gpu_plan(
    tolerations=(Taint("team", "a", "NoSchedule"),),
    rejected=(RejectedCandidate("NVIDIA-T4", 1, "16 GiB are 4 GiB too few"),),
)


def frozen(plan: ServingPlan = RICH_PLAN, model: GenerativeModel | None = None, number: int = 3) -> Revision:
    return freeze(model or a_model(), some_facts(), ServedTask.GENERATE, plan, Settings(), number=number)


def a_number(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() else value


def through_the_api(found: dict[str, Any]) -> dict[str, Any]:
    """What the server gives back: JSON, whole floats as integers."""
    read: dict[str, Any] = json.loads(json.dumps(found), parse_float=a_number)
    return read


@pytest.mark.parametrize("plan", [pytest.param(RICH_PLAN, id="GPU"), pytest.param(a_cpu_plan(), id="CPU")])
def test_round_trip(plan: ServingPlan) -> None:
    model = a_model(engine={"args": ["--port", "1"], "env": [{"name": "HF_TOKEN", "value": "x"}]})
    revision = frozen(plan, model)
    assert revision_from_object(through_the_api(build_controller_revision(model, revision))) == revision


def test_what_was_read_back_is_written_as_before() -> None:
    """Else each restart of the operator would write every ControllerRevision once."""
    written = with_desired_hash(build_controller_revision(a_model(), frozen()))
    read_back = revision_from_object(through_the_api(written))
    assert with_desired_hash(build_controller_revision(a_model(), read_back)) == written


def test_round_trip_through_yaml() -> None:
    revision = frozen()
    text = yaml.safe_dump(build_controller_revision(a_model(), revision))
    assert revision_from_object(yaml.safe_load(text)) == revision


def test_the_deployment_is_built_from_the_frozen_revision_alone() -> None:
    revision = frozen()
    read_back = revision_from_object(through_the_api(build_controller_revision(a_model(), revision)))
    assert build_deployment(a_model(), read_back, 2) == build_deployment(a_model(), revision, 2)


def test_a_revision_is_known_by_its_inputs() -> None:
    revision = frozen()
    assert revision.hash == inputs_hash(inputs_of(a_model(), A_COMMIT))
    assert revision.id == revision.hash[:10]
    assert (revision.number, revision.source_revision) == (3, "main")


def test_another_plan_or_default_image_is_the_same_revision() -> None:
    newer = Settings(engines=EngineSettings(gpu_image="docker.io/vllm/vllm-openai:v0.33.0"))
    other = freeze(a_model(), some_facts(), ServedTask.GENERATE, a_cpu_plan(), newer, number=9)
    assert other.id == frozen().id


def test_the_controller_revision_says_what_it_is() -> None:
    revision = frozen()
    found = build_controller_revision(a_model(revision="v0.3"), revision)
    metadata = found["metadata"]
    assert metadata["name"] == f"mistral-{revision.id}"
    assert metadata["labels"] == labels.revision_labels("mistral", revision.id, A_COMMIT)
    assert metadata["annotations"][labels.INPUTS_HASH] == revision.hash
    assert json.loads(metadata["annotations"][labels.PLAN]) == plan_to_json(RICH_PLAN)
    assert metadata["annotations"][labels.SOURCE_REVISION] == "main"
    assert found["revision"] == 3


def test_what_status_shows_of_the_repository() -> None:
    status = frozen().model
    assert status.repository == "mistralai/Mistral-7B-Instruct-v0.3"
    assert status.commit == A_COMMIT
    assert (status.architecture, status.task, status.precision) == ("LlamaForCausalLM", "Generate", "BFloat16")
    assert status.weights_bytes == some_facts().weights_bytes


def test_what_was_overridden_is_named_without_values() -> None:
    engine = {
        "args": ["--api-key", "sk-secret", "--seed", "1"],
        "env": [{"name": "HF_TOKEN", "value": "hf_secret"}, {"name": "VLLM_LOGGING_LEVEL", "value": "DEBUG"}],
    }
    revision = frozen(model=a_model(engine=engine))
    assert revision.overridden == ("--api-key", "HF_TOKEN")
    rendered = json.dumps([revision.template, revision.overridden])
    assert "sk-secret" not in rendered
    assert "hf_secret" not in rendered


def changed(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A ControllerRevision with one value changed, or removed where it is None."""
    found = through_the_api(build_controller_revision(a_model(), frozen()))
    target = found
    for key in path[:-1]:
        target = target[key]
    if value is None:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return found


@pytest.mark.parametrize(
    "found",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"metadata": {"name": "web-7d4b9c"}, "data": {"spec": {"template": {}}}}, id="a StatefulSet's"),
        pytest.param(changed(("data",), None), id="no data"),
        pytest.param(changed(("data",), "text"), id="data that is no object"),
        pytest.param(changed(("data", "format"), 2), id="a newer layout"),
        pytest.param(changed(("data", "inputs"), {"spec": {"model": "org/other"}}), id="other inputs than its name"),
        pytest.param(changed(("data", "plan"), {}), id="an empty plan"),
        pytest.param(changed(("data", "plan", "memory"), None), id="a plan without memory"),
        pytest.param(changed(("data", "model"), {"repository": "org/name"}), id="half a model"),
        pytest.param(changed(("data", "template"), None), id="no template"),
        pytest.param(changed(("metadata", "name"), "mistral-0000000000"), id="a name of another revision"),
        pytest.param(changed(("revision",), "many"), id="no number"),
    ],
)
def test_what_is_not_ours_or_corrupt_is_refused(found: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"^ControllerRevision .* does not hold a revision: "):
        revision_from_object(found)


@pytest.mark.parametrize(
    ("found", "want_source_revision"),
    [
        pytest.param(changed(("metadata", "labels"), None), "main", id="no labels"),
        pytest.param(changed(("metadata", "labels", labels.REVISION), "stolen"), "main", id="another label"),
        pytest.param(changed(("metadata", "annotations"), None), "", id="no annotations"),
        pytest.param(changed(("metadata", "annotations", labels.PLAN), "{}"), "main", id="another plan to look at"),
    ],
)
def test_what_can_be_edited_by_hand_changes_no_revision(found: dict[str, Any], want_source_revision: str) -> None:
    assert revision_from_object(found) == replace(frozen(), source_revision=want_source_revision)


def test_fields_of_a_later_release_are_ignored() -> None:
    assert revision_from_object(changed(("data", "later"), {"a": 1})) == frozen()


def test_the_update_annotation_reaches_the_revision_and_not_the_pod() -> None:
    model = a_model(metadata={"annotations": {labels.UPDATE: "now"}})
    updated, plain = frozen(model=model), frozen()
    assert updated.id != plain.id
    without_ids = json.dumps(updated.template).replace(updated.id, plain.id)
    assert json.loads(without_ids) == plain.template


def test_revisions_are_values() -> None:
    revision = frozen()
    assert replace(revision, number=4) != revision
