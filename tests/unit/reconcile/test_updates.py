"""When a model is told that a newer engine or rendering can be had."""

from dataclasses import replace
from typing import Any

import pytest

from genmodel_operator.api.reasons import Reason
from genmodel_operator.controller.updates import Updates
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.resources.revision import Revision, build_controller_revision, freeze, revision_from_object
from genmodel_operator.settings import EngineSettings, Settings
from tests.builders import a_gpu_plan, a_model, some_facts

NOW = Settings()


def frozen(settings: Settings = NOW, **spec: Any) -> Revision:
    model = a_model(**spec)
    made = freeze(model, some_facts(), ServedTask.GENERATE, a_gpu_plan(), settings, number=1)
    return revision_from_object(build_controller_revision(model, made))


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({}, id="plain"),
        pytest.param({"replicas": 5, "revision": "v1", "updatePolicy": "Follow"}, id="fields that make no revision"),
        pytest.param({"podTemplate": {"spec": {"priorityClassName": "high"}}}, id="with a pod template"),
        pytest.param({"engine": {"image": "own:1"}}, id="with an engine image of its own"),
    ],
)
def test_what_was_made_now_is_current(spec: dict[str, Any]) -> None:
    assert Updates(NOW).notice(a_model(**spec), frozen(**spec)) is None


def test_another_default_engine_is_said_with_both_images_and_the_command() -> None:
    notice = Updates(Settings(engines=EngineSettings(gpu_image="vllm:9"))).notice(a_model(), frozen())
    assert notice is not None
    assert (notice.type, notice.reason) == ("UpdateAvailable", Reason.NEWER_ENGINE)
    for word in (NOW.engines.gpu_image, "vllm:9", "genmodel update mistral -n team-a", "genmodel.dev/update"):
        assert word in notice.message


def test_an_engine_image_of_the_users_own_is_never_old() -> None:
    own: dict[str, Any] = {"engine": {"image": "own:1"}}
    assert Updates(Settings(engines=EngineSettings(gpu_image="vllm:9"))).notice(a_model(**own), frozen(**own)) is None


def test_other_settings_of_pods_are_a_newer_rendering() -> None:
    notice = Updates(Settings(runtime_image="mirror/operator:9")).notice(a_model(), frozen())
    assert notice is not None
    assert (notice.type, notice.reason) == ("UpdateAvailable", Reason.NEWER_RENDERING)
    assert "genmodel update mistral -n team-a" in notice.message


def test_what_this_process_made_itself_is_not_rendered_again() -> None:
    updates, revision = Updates(Settings(runtime_image="mirror/operator:9")), frozen()
    updates.remember(a_model(), revision)
    assert updates.notice(a_model(), revision) is None, "a rendering of now would differ"
    assert updates.notice(a_model(), replace(revision, number=2)) is not None


def test_a_revision_of_a_release_without_fingerprints_is_older() -> None:
    notice = Updates(NOW).notice(a_model(), replace(frozen(), rendering=""))
    assert notice is not None
    assert notice.reason is Reason.NEWER_RENDERING


def test_a_pod_template_that_this_release_would_refuse_has_no_update() -> None:
    refused = a_model(podTemplate={"spec": {"containers": [{"name": "server", "command": ["sh"]}]}})
    assert Updates(NOW).notice(refused, replace(frozen(), rendering="")) is None


def test_each_revision_is_rendered_once_and_each_model_by_itself() -> None:
    updates, model = Updates(Settings(runtime_image="mirror/operator:9")), a_model()
    first = updates.notice(model, frozen())
    assert first is not None
    assert updates.notice(model, frozen()) == first
    newer = freeze(
        model, some_facts(), ServedTask.GENERATE, a_gpu_plan(), Settings(runtime_image="mirror/operator:9"), number=2
    )
    assert updates.notice(model, newer) is None
