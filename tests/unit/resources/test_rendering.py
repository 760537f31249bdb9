"""The fingerprint of a rendering: what changes it, and what does not."""

from typing import Any

import pytest

from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.resources.rendering import fingerprint
from genmodel_operator.resources.revision import build_controller_revision, freeze, revision_from_object
from genmodel_operator.settings import EngineSettings, HubSettings, Settings
from genmodel_operator.sizing.plan import plan_from_json, plan_to_json
from tests.builders import a_cpu_plan, a_gpu_plan, a_model, some_facts

NOW = Settings()


def of(settings: Settings = NOW, *, plan: Any = None, **spec: Any) -> str:
    return fingerprint(a_model(**spec), ServedTask.GENERATE, plan or a_gpu_plan(), settings)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(Settings(runtime_image="mirror/operator:9"), id="another runtime"),
        pytest.param(Settings(engines=EngineSettings(drain_seconds=5)), id="another time to drain"),
        pytest.param(Settings(engines=EngineSettings(image_pull_secrets=["a"])), id="a pull secret"),
        pytest.param(Settings(hub=HubSettings(endpoint="http://mirror")), id="another Hub"),
    ],
)
def test_settings_that_reach_pods_change_it(settings: Settings) -> None:
    assert of(settings) != of()


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(Settings(workers=3, resync_seconds=5), id="the operator's own"),
        pytest.param(Settings(engines=EngineSettings(gpu_image="vllm:9")), id="the engine image, told by its name"),
        pytest.param(Settings(engines=EngineSettings(cpu_request="9")), id="those of another device"),
    ],
)
def test_settings_that_do_not_reach_these_pods_leave_it(settings: Settings) -> None:
    assert of(settings) == of()


def test_what_the_user_set_himself_hides_a_setting() -> None:
    own: dict[str, Any] = {"source": {"hub": {"endpoint": "http://own"}}}
    assert of(Settings(hub=HubSettings(endpoint="http://mirror")), **own) == of(**own)


def test_cpu_has_its_own_settings() -> None:
    plan = a_cpu_plan()
    assert of(Settings(engines=EngineSettings(cpu_request="9")), plan=plan) != of(plan=plan)


def test_it_is_kept_in_the_revision_and_is_the_same_for_the_plan_that_is_read_back() -> None:
    model, plan = a_model(), a_gpu_plan()
    revision = freeze(model, some_facts(), ServedTask.GENERATE, plan, NOW, number=1)
    found = revision_from_object(build_controller_revision(model, revision))
    assert found == revision
    assert found.rendering == of(plan=plan_from_json(plan_to_json(found.plan)))


def test_a_revision_from_before_there_were_fingerprints_is_written_as_it_was() -> None:
    model = a_model()
    revision = freeze(model, some_facts(), ServedTask.GENERATE, a_gpu_plan(), NOW, number=1)
    stored = build_controller_revision(model, revision)
    del stored["data"]["rendering"]
    found = revision_from_object(stored)
    assert found.rendering == ""
    assert build_controller_revision(model, found) == stored
