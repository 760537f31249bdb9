import tracemalloc
from typing import Any

import pytest

from genmodel_operator.api import labels
from genmodel_operator.kube.apply import Ownership, ownership
from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.kinds import CONTROLLER_REVISION, DEPLOYMENT, POD, SERVICE


def an_object(
    name: str = "mistral-1", *, version: int = 1, uid: str = "u1", model: str = "mistral", **fields: Any
) -> Any:
    metadata = {
        "name": name,
        "namespace": "team-a",
        "uid": uid,
        "resourceVersion": str(version),
        "labels": labels.child_labels(model),
        "managedFields": [
            {"manager": labels.FIELD_MANAGER, "operation": "Apply", "fieldsV1": {"f:spec": {}}},
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "fieldsV1": {}},
        ],
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": 1}, **fields}


def replicas(cache: ChildCache, name: str = "mistral-1") -> int | None:
    found = cache.get(DEPLOYMENT, "team-a", name)
    return None if found is None else int(found["spec"]["replicas"])


class TestDigests:
    def test_every_object_of_a_kind_and_no_other(self) -> None:
        cache = ChildCache()
        cache.put(DEPLOYMENT, an_object("a", uid="1"))
        cache.put(DEPLOYMENT, an_object("b", uid="2", model="other"))
        cache.put(SERVICE, an_object("c", uid="3"))
        assert [key for key, _ in cache.digests(DEPLOYMENT)] == [("team-a", "a"), ("team-a", "b")]
        assert list(cache.digests(POD)) == []
        assert len(cache) == 3

    @pytest.mark.parametrize(
        ("version", "change", "want_same"),
        [
            pytest.param(2, {}, True, id="another version of the same"),
            pytest.param(2, {"spec": {"replicas": 2}}, False, id="another content"),
            pytest.param(1, {"spec": {"replicas": 2}}, True, id="older news"),
        ],
    )
    def test_a_digest_changes_with_the_content_alone(
        self, version: int, change: dict[str, Any], want_same: bool
    ) -> None:
        cache = ChildCache()
        cache.put(DEPLOYMENT, an_object(version=1))
        ((_, before),) = cache.digests(DEPLOYMENT)
        cache.put(DEPLOYMENT, an_object(version=version, **change))
        ((_, after),) = cache.digests(DEPLOYMENT)
        assert (before == after) is want_same


class TestGetAndPut:
    def test_an_object_comes_back_as_it_was_but_for_who_wrote_which_field(self) -> None:
        cache, obj = ChildCache(), an_object(status={"readyReplicas": 1})
        assert cache.put(DEPLOYMENT, obj)
        found = cache.get(DEPLOYMENT, "team-a", "mistral-1")
        assert found is not None
        managers = found["metadata"].pop("managedFields")
        assert managers == [
            {"manager": labels.FIELD_MANAGER, "operation": "Apply"},
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status"},
        ]
        del obj["metadata"]["managedFields"]
        assert found == obj

    def test_changing_what_was_given_or_taken_changes_nothing(self) -> None:
        cache, obj = ChildCache(), an_object()
        cache.put(DEPLOYMENT, obj)
        obj["spec"]["replicas"] = 9
        found = cache.get(DEPLOYMENT, "team-a", "mistral-1")
        assert found is not None
        found["spec"]["replicas"] = 7
        assert replicas(cache) == 1

    @pytest.mark.parametrize(
        ("newest", "want_same"),
        [
            pytest.param(1, True, id="nothing newer was seen"),
            pytest.param(2, False, id="a newer version was seen"),
        ],
    )
    def test_what_was_read_is_given_back_while_it_is_the_newest(self, newest: int, want_same: bool) -> None:
        cache = ChildCache()
        cache.put(DEPLOYMENT, an_object(version=1, spec={"replicas": 1}))
        read = cache.get(DEPLOYMENT, "team-a", "mistral-1")
        cache.put(DEPLOYMENT, an_object(version=newest, spec={"replicas": newest}))
        found = cache.get(DEPLOYMENT, "team-a", "mistral-1", read=read)
        assert (found is read) is want_same
        assert found is not None
        assert found["spec"]["replicas"] == newest

    def test_what_was_read_and_then_deleted_is_gone(self) -> None:
        cache = ChildCache()
        cache.put(DEPLOYMENT, an_object(version=1))
        read = cache.get(DEPLOYMENT, "team-a", "mistral-1")
        cache.observe(DEPLOYMENT, "DELETED", an_object(version=2))
        assert cache.get(DEPLOYMENT, "team-a", "mistral-1", read=read) is None

    def test_each_of_many_alike_comes_back_as_it_was_also_without_the_first(self) -> None:
        cache = ChildCache()
        for number in range(5):
            cache.put(DEPLOYMENT, an_object(f"d{number}", uid=f"u{number}", spec={"replicas": number, "text": "é" * 9}))
        cache.observe(DEPLOYMENT, "DELETED", an_object("d0", uid="u0", version=2))
        found = {number: cache.get(DEPLOYMENT, "team-a", f"d{number}") for number in range(5)}
        assert found.pop(0) is None
        assert [live and live["spec"] for live in found.values()] == [
            {"replicas": number, "text": "é" * 9} for number in found
        ]

    def test_objects_alike_take_little_memory(self) -> None:
        cache, count = ChildCache(), 200
        template = {f"field-{number}": f"{number * number * 7919:x}" * 3 for number in range(200)}
        cache.put(DEPLOYMENT, an_object("first", uid="first", spec=template))
        tracemalloc.start()
        try:
            for number in range(count):
                cache.put(DEPLOYMENT, an_object(f"d{number}", uid=f"u{number}", model=f"m{number}", spec=template))
            taken_bytes, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert taken_bytes / count < 1500

    def test_an_object_that_lost_its_owner_is_still_known_as_ours(self) -> None:
        cache = ChildCache()
        cache.put(DEPLOYMENT, an_object())
        found = cache.get(DEPLOYMENT, "team-a", "mistral-1")
        assert found is not None
        assert ownership(found, model_uid="x", model_name="mistral") is Ownership.LOST_OWNER

    def test_kinds_and_namespaces_do_not_mix(self) -> None:
        cache = ChildCache()
        cache.put(DEPLOYMENT, an_object())
        assert cache.get(SERVICE, "team-a", "mistral-1") is None
        assert cache.get(DEPLOYMENT, "team-b", "mistral-1") is None
        assert cache.of_model(CONTROLLER_REVISION, "team-a", "mistral") == []

    def test_the_objects_of_a_model_come_by_name(self) -> None:
        cache = ChildCache()
        for name, model in (("mistral-2", "mistral"), ("mistral-1", "mistral"), ("mistral-x-1", "mistral-x")):
            cache.put(DEPLOYMENT, an_object(name, uid=name, model=model))
        found = cache.of_model(DEPLOYMENT, "team-a", "mistral")
        assert [obj["metadata"]["name"] for obj in found] == ["mistral-1", "mistral-2"]

    def test_an_object_without_our_labels_is_found_by_name_only(self) -> None:
        cache, obj = ChildCache(), an_object()
        obj["metadata"]["labels"] = {}
        cache.put(DEPLOYMENT, obj)
        assert cache.of_model(DEPLOYMENT, "team-a", "mistral") == []
        assert replicas(cache) == 1

    def test_an_object_whose_label_changes_moves_to_the_other_model(self) -> None:
        cache = ChildCache()
        cache.put(DEPLOYMENT, an_object(version=1))
        cache.put(DEPLOYMENT, an_object(version=2, model="other"))
        assert cache.of_model(DEPLOYMENT, "team-a", "mistral") == []
        assert len(cache.of_model(DEPLOYMENT, "team-a", "other")) == 1


class TestVersions:
    @pytest.mark.parametrize(
        ("first", "second", "want"),
        [
            pytest.param(1, 2, 2, id="newer replaces"),
            pytest.param(2, 1, 1, id="older does not"),
            pytest.param(9, 10, 2, id="compared as numbers, not as text"),
        ],
    )
    def test_the_newest_version_wins(self, first: int, second: int, want: int) -> None:
        cache = ChildCache()
        cache.put(DEPLOYMENT, an_object(version=first, spec={"replicas": 1}))
        cache.put(DEPLOYMENT, an_object(version=second, spec={"replicas": 2}))
        assert replicas(cache) == want

    def test_an_answer_and_its_own_event_are_news_once(self) -> None:
        cache = ChildCache()
        assert cache.put(DEPLOYMENT, an_object(version=5))
        assert not cache.observe(DEPLOYMENT, "ADDED", an_object(version=5))
        assert not cache.observe(DEPLOYMENT, "MODIFIED", an_object(version=4))

    def test_a_newer_version_with_the_same_content_is_no_news(self) -> None:
        cache = ChildCache()
        cache.put(DEPLOYMENT, an_object(version=5))
        assert not cache.observe(DEPLOYMENT, "MODIFIED", an_object(version=6))
        found = cache.get(DEPLOYMENT, "team-a", "mistral-1")
        assert found is not None
        assert found["metadata"]["resourceVersion"] == "6"

    def test_a_changed_status_is_news(self) -> None:
        cache = ChildCache()
        cache.put(DEPLOYMENT, an_object(version=5))
        assert cache.observe(DEPLOYMENT, "MODIFIED", an_object(version=6, status={"readyReplicas": 1}))

    def test_the_order_of_fields_is_no_news(self) -> None:
        cache, obj = ChildCache(), an_object(version=6)
        cache.put(DEPLOYMENT, an_object(version=5))
        assert not cache.observe(DEPLOYMENT, None, dict(reversed(obj.items())))


class TestDeletions:
    def test_a_deleted_object_is_gone(self) -> None:
        cache = ChildCache()
        cache.put(DEPLOYMENT, an_object())
        assert cache.observe(DEPLOYMENT, "DELETED", an_object(version=2))
        assert cache.get(DEPLOYMENT, "team-a", "mistral-1") is None
        assert cache.of_model(DEPLOYMENT, "team-a", "mistral") == []
        assert len(cache) == 0

    def test_a_late_answer_does_not_bring_a_deleted_object_back(self) -> None:
        cache = ChildCache()
        cache.observe(DEPLOYMENT, "DELETED", an_object(version=3))
        assert not cache.put(DEPLOYMENT, an_object(version=2))
        assert cache.get(DEPLOYMENT, "team-a", "mistral-1") is None

    def test_a_new_object_of_the_same_name_is_another_one(self) -> None:
        cache = ChildCache()
        cache.put(DEPLOYMENT, an_object(version=1, uid="old"))
        cache.put(DEPLOYMENT, an_object(version=5, uid="new"))
        assert cache.observe(DEPLOYMENT, "DELETED", an_object(version=4, uid="old"))
        assert replicas(cache) == 1

    def test_a_ghost_can_be_dropped(self) -> None:
        cache = ChildCache()
        cache.put(DEPLOYMENT, an_object())
        cache.drop(DEPLOYMENT, "team-a", "mistral-1")
        cache.drop(DEPLOYMENT, "team-a", "never-there")
        assert len(cache) == 0

    def test_a_live_list_removes_ghosts_of_that_model_only(self) -> None:
        cache = ChildCache()
        for name, model in (("mistral-1", "mistral"), ("mistral-2", "mistral"), ("other-1", "other")):
            cache.put(DEPLOYMENT, an_object(name, uid=name, model=model))
        cache.replace(DEPLOYMENT, "team-a", "mistral", [an_object("mistral-2", uid="mistral-2", version=2)])
        assert replicas(cache, "mistral-1") is None
        assert replicas(cache, "mistral-2") == 1
        assert replicas(cache, "other-1") == 1

    def test_deletions_are_not_remembered_for_ever(self) -> None:
        cache = ChildCache()
        cache.observe(DEPLOYMENT, "DELETED", an_object(uid="first"))
        for number in range(5000):
            cache.observe(DEPLOYMENT, "DELETED", an_object(uid=str(number)))
        assert cache.put(DEPLOYMENT, an_object(uid="first"))


def a_pod() -> dict[str, Any]:
    pod: dict[str, Any] = an_object("pod-1")
    pod["metadata"] |= {"deletionTimestamp": "2026-11-24T00:00:00Z", "annotations": {"big": "x" * 1000}}
    pod["spec"] = {
        "nodeName": "n1",
        "containers": [{"name": "server", "image": "e:1", "resources": {"limits": {"memory": "1Gi"}}, "env": [1] * 50}],
        "initContainers": [{"name": "prepare", "image": "o:1"}],
        "volumes": [{"name": "v"}] * 50,
    }
    pod["status"] = {"phase": "Running", "podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}
    return pod


class TestPods:
    def test_a_pod_keeps_what_the_status_summary_reads(self) -> None:
        cache = ChildCache()
        cache.observe(POD, "ADDED", a_pod())
        found = cache.get(POD, "team-a", "pod-1")
        assert found is not None
        assert found["status"] == a_pod()["status"]
        assert found["spec"] == {
            "nodeName": "n1",
            "containers": [{"name": "server", "image": "e:1", "resources": {"limits": {"memory": "1Gi"}}}],
            "initContainers": [{"name": "prepare", "image": "o:1"}],
        }
        assert found["metadata"]["deletionTimestamp"] == "2026-11-24T00:00:00Z"
        assert found["metadata"]["labels"][labels.MODEL] == "mistral"
        assert "annotations" not in found["metadata"]

    def test_a_pod_that_only_changes_what_is_not_kept_is_no_news(self) -> None:
        cache, later = ChildCache(), a_pod()
        cache.observe(POD, "ADDED", a_pod())
        later["metadata"] |= {"annotations": {"x": "y"}, "resourceVersion": "2"}
        assert not cache.observe(POD, "MODIFIED", later)

    def test_a_pod_not_yet_placed_is_taken_too(self) -> None:
        cache, pod = ChildCache(), an_object("pod-1")
        del pod["spec"]
        cache.put(POD, pod)
        found = cache.get(POD, "team-a", "pod-1")
        assert found is not None
        assert found["spec"] == {"initContainers": [], "containers": []}
        assert found["status"] == {}


class TestLabelsTakenAway:
    """A watch by label calls an object deleted when its label goes; it may come back."""

    def test_a_newer_version_of_what_was_called_deleted_is_taken_in(self) -> None:
        cache = ChildCache()
        cache.put(DEPLOYMENT, an_object(version=1))
        cache.observe(DEPLOYMENT, "DELETED", an_object(version=2))
        assert replicas(cache) is None
        assert cache.put(DEPLOYMENT, an_object(version=3))
        assert replicas(cache) == 1

    def test_the_version_that_was_called_deleted_is_not(self) -> None:
        cache = ChildCache()
        cache.observe(DEPLOYMENT, "DELETED", an_object(version=2))
        assert not cache.put(DEPLOYMENT, an_object(version=2))
        assert replicas(cache) is None
