import itertools
from typing import Any

import kopf
import pytest

from genmodel_operator.api import labels
from genmodel_operator.handlers import EndlessJitter, SeenModels, SeenNodes, build_settings


def test_the_informer_writes_nothing_and_outlives_an_outage() -> None:
    settings = build_settings()
    assert not settings.posting.enabled
    assert settings.peering.standalone
    assert settings.scanning.disabled
    assert settings.queueing.worker_limit is None
    assert settings.persistence.finalizer == "genmodel.dev/operator"
    assert settings.watching.label_selectors["apps", "v1", "deployments"] == labels.OWNED_SELECTOR
    assert settings.watching.label_selectors["v1", "pods"] == labels.OWNED_SELECTOR
    assert settings.networking.request_timeout == 30
    assert settings.process.ultimate_exiting_timeout == 25


def test_kopf_keeps_no_copy_of_what_it_saw() -> None:
    storage = build_settings().persistence.diffbase_storage
    body = kopf.Body({"metadata": {"name": "x"}, "spec": {"a": 1}})
    assert dict(storage.build(body=body)) == {}
    assert storage.fetch(body=body) is None


def test_delays_grow_to_their_cap_and_never_end() -> None:
    delays = EndlessJitter()
    for centre, delay in zip([1, 2, 4, 8, 16, 30, 30, 30], delays, strict=False):
        assert 0.75 * centre <= delay <= 1.25 * centre
    assert len(list(itertools.islice(delays, 1000))) == 1000
    assert next(iter(delays)) <= 1.25
    with pytest.raises(TypeError):
        len(delays)  # type: ignore[arg-type]


def a_model(*writers: str, generation: int = 1, **metadata: Any) -> dict[str, Any]:
    managed = [{"manager": writer, "subresource": "status"} for writer in writers]
    named = {"namespace": "team-a", "name": "mistral", "uid": "u", "generation": generation}
    return {"metadata": named | {"managedFields": [{"manager": "kubectl"}, *managed], **metadata}}


OURS = labels.FIELD_MANAGER


class TestSeenModels:
    @pytest.mark.parametrize(
        ("type_", "later", "want"),
        [
            pytest.param("MODIFIED", a_model(OURS), False, id="our own status write"),
            pytest.param("MODIFIED", a_model(OURS, generation=2), True, id="a new spec"),
            pytest.param("MODIFIED", a_model(OURS, annotations={labels.UPDATE: "1"}), True, id="an annotation"),
            pytest.param("MODIFIED", a_model(OURS, deletionTimestamp="now"), True, id="a deletion that begins"),
            pytest.param("MODIFIED", a_model(OURS, uid="other"), True, id="another object of the name"),
            pytest.param("MODIFIED", a_model(), True, id="a status that was removed"),
            pytest.param("MODIFIED", a_model(OURS, "kubectl-edit"), True, id="a status that somebody edits"),
            pytest.param("ADDED", a_model(OURS), True, id="added"),
            pytest.param(None, a_model(OURS), True, id="listed again"),
            pytest.param("DELETED", a_model(OURS), True, id="deleted"),
        ],
    )
    def test_our_own_status_writes_are_no_news(self, type_: str | None, later: dict[str, Any], want: bool) -> None:
        seen = SeenModels()
        assert seen.is_news("ADDED", a_model())
        assert seen.is_news(type_, later) is want

    def test_a_change_is_news_once(self) -> None:
        seen = SeenModels()
        seen.is_news("ADDED", a_model())
        assert seen.is_news("MODIFIED", a_model(OURS, generation=2))
        assert not seen.is_news("MODIFIED", a_model(OURS, generation=2))

    def test_an_event_without_a_first_one_is_news(self) -> None:
        assert SeenModels().is_news("MODIFIED", a_model(OURS))


def a_node(heartbeat: str = "1", ready: str = "True", **fields: Any) -> dict[str, Any]:
    node = {
        "metadata": {"name": "n1", "labels": {"nvidia.com/gpu.product": "NVIDIA-L4"}, "resourceVersion": heartbeat},
        "spec": {},
        "status": {
            "allocatable": {"nvidia.com/gpu": "1"},
            "conditions": [{"type": "Ready", "status": ready, "lastHeartbeatTime": heartbeat}],
            "images": [heartbeat],
        },
    }
    for part, value in fields.items():
        node[part].update(value)  # type: ignore[attr-defined]
    return node


class TestSeenNodes:
    @pytest.mark.parametrize(
        ("type_", "later", "want"),
        [
            pytest.param("MODIFIED", a_node("2"), False, id="a heartbeat"),
            pytest.param(None, a_node("2"), False, id="listed again"),
            pytest.param("MODIFIED", a_node(ready="False"), True, id="not ready"),
            pytest.param("MODIFIED", a_node(metadata={"labels": {}}), True, id="labels"),
            pytest.param("MODIFIED", a_node(status={"allocatable": {}}), True, id="devices gone"),
            pytest.param("MODIFIED", a_node(spec={"unschedulable": True}), True, id="cordoned"),
            pytest.param("MODIFIED", a_node(spec={"taints": [{"key": "x"}]}), True, id="tainted"),
            pytest.param("DELETED", a_node(), True, id="deleted"),
        ],
    )
    def test_only_what_a_plan_depends_on_is_news(self, type_: str | None, later: dict[str, Any], want: bool) -> None:
        seen = SeenNodes()
        assert seen.is_news(None, a_node())
        assert seen.is_news(type_, later) is want

    def test_a_node_that_comes_back_is_news(self) -> None:
        seen = SeenNodes()
        seen.is_news("ADDED", a_node())
        seen.is_news("DELETED", a_node())
        assert seen.is_news("ADDED", a_node())

    def test_a_node_without_status_is_taken(self) -> None:
        assert SeenNodes().is_news("ADDED", {"metadata": {"name": "bare"}})
