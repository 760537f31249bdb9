"""The claim of a model's weights, the Job that fills it, and the pods on it."""

import json
from typing import Any

import pytest

from genmodel_operator.api import labels
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.resources.job import build_job, job_name, with_in_use
from genmodel_operator.resources.revision import (
    Revision,
    build_controller_revision,
    freeze,
    inputs_hash,
    inputs_of,
    revision_from_object,
)
from genmodel_operator.resources.storage import Claim, build_claim, claim_name, claim_of, is_for_one_node
from genmodel_operator.settings import HubSettings, Settings
from genmodel_runtime.settings import Overrides, prepare_settings
from genmodel_runtime.sweep import in_use
from tests.builders import A_COMMIT, a_gpu_plan, a_model, some_facts
from tests.pod_security import restricted_violations

OURS: dict[str, Any] = {"persistentVolumeClaim": {}}
THEIRS: dict[str, Any] = {"persistentVolumeClaim": {"claimName": "shared"}}
MANY = {"spec": {"accessModes": ["ReadWriteMany"]}}


def frozen(cache: dict[str, Any] | None = None, *, live: dict[str, Any] | None = None, **spec: Any) -> Revision:
    model = a_model(cache=cache, **spec)
    settings = Settings(hub=HubSettings(endpoint="http://mirror:8080"))
    claim = claim_of(model, live)
    return freeze(model, some_facts(), ServedTask.GENERATE, a_gpu_plan(), settings, number=1, claim=claim)


def container_of(template: dict[str, Any] | None, group: str) -> dict[str, Any]:
    assert template is not None
    found: dict[str, Any] = template["spec"][group][0]
    return found


def env_of(container: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}


class TestClaim:
    @pytest.mark.parametrize(
        ("cache", "want"),
        [
            pytest.param(None, None, id="no cache"),
            pytest.param({}, None, id="an empty one"),
            pytest.param(OURS, "mistral-weights", id="one that we create"),
            pytest.param({"persistentVolumeClaim": {"size": "5Gi"}}, "mistral-weights", id="of a size"),
            pytest.param(THEIRS, "shared", id="one that exists"),
        ],
    )
    def test_name(self, cache: dict[str, Any] | None, want: str | None) -> None:
        assert claim_name(a_model(cache=cache)) == want

    @pytest.mark.parametrize(
        ("modes", "want_one_node", "want_one_pod"),
        [
            pytest.param(["ReadWriteOnce"], True, False, id="one node"),
            pytest.param(["ReadWriteMany"], False, False, id="many nodes"),
            pytest.param(["ReadWriteOnce", "ReadWriteMany"], False, False, id="both"),
            pytest.param(["ReadWriteOncePod"], True, True, id="one pod"),
            pytest.param([], True, False, id="unknown"),
        ],
    )
    def test_modes(self, modes: list[str], want_one_node: bool, want_one_pod: bool) -> None:
        claim = claim_of(a_model(cache=THEIRS), {"spec": {"accessModes": modes}})
        assert claim is not None
        assert (claim.is_for_one_node, claim.is_for_one_pod) == (want_one_node, want_one_pod)

    @pytest.mark.parametrize("length", [1, 63, 64, 253])
    def test_label_is_one(self, length: int) -> None:
        found = Claim("c" * length, is_ours=False).label
        assert len(found) == min(length, 63)
        assert Claim("c" * length + "d", is_ours=False).label != found

    @pytest.mark.parametrize(
        ("claim", "live", "want"),
        [
            pytest.param({}, None, "32Gi", id="room for two commits of 16 GiB"),
            pytest.param({"size": "100Gi"}, None, "100Gi", id="as asked for"),
            pytest.param({"size": "1024Gi"}, None, "1Ti", id="as the API server writes it"),
            pytest.param({}, "7Gi", "7Gi", id="what is there stays, as clusters may not let it grow"),
            pytest.param({"size": "9Gi"}, "7Gi", "9Gi", id="grows when its user says so"),
        ],
    )
    def test_size(self, claim: dict[str, Any], live: str | None, want: str) -> None:
        found = {"spec": {"resources": {"requests": {"storage": live}}}} if live else None
        built = build_claim(a_model(cache={"persistentVolumeClaim": claim}), a_gpu_plan(), found)
        assert built["spec"]["resources"]["requests"]["storage"] == want

    def test_it_outlives_the_model(self) -> None:
        built = build_claim(a_model(cache={"persistentVolumeClaim": {"storageClassName": "fast"}}), a_gpu_plan(), None)
        assert "ownerReferences" not in built["metadata"]
        assert labels.owner_name(built["metadata"]) == "mistral"
        assert (built["spec"]["accessModes"], built["spec"]["storageClassName"]) == (["ReadWriteOnce"], "fast")


class TestInputs:
    def test_no_claim_changes_no_hash(self) -> None:
        assert inputs_of(a_model(cache={}), A_COMMIT) == inputs_of(a_model(), A_COMMIT)

    def test_another_claim_is_another_revision(self) -> None:
        hashes = {inputs_hash(inputs_of(a_model(cache=cache), A_COMMIT)) for cache in (None, OURS, THEIRS)}
        assert len(hashes) == 3

    def test_the_size_of_a_claim_is_none(self) -> None:
        larger = {"persistentVolumeClaim": {"size": "100Gi", "storageClassName": "fast"}}
        assert inputs_of(a_model(cache=larger), A_COMMIT) == inputs_of(a_model(cache=OURS), A_COMMIT)


class TestServer:
    def test_it_finds_its_weights_and_knows_no_hub(self) -> None:
        template = frozen(OURS).template
        volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
        assert volumes["weights"] == {"name": "weights", "persistentVolumeClaim": {"claimName": "mistral-weights"}}
        assert "token" not in volumes
        prepare = container_of(template, "initContainers")
        assert env_of(prepare)["GENMODEL_WEIGHTS"] == "Present"
        assert not [name for name in env_of(prepare) if name.startswith("HF_")]
        for container in (prepare, container_of(template, "containers")):
            mount = next(m for m in container["volumeMounts"] if m["name"] == "weights")
            assert mount == {"name": "weights", "mountPath": "/models", "readOnly": True}
        assert not prepare_settings(env_of(prepare), Overrides()).fetches
        assert restricted_violations(template["spec"]) == []

    def test_its_node_needs_no_room_for_weights(self) -> None:
        requests = [container_of(r.template, "containers")["resources"]["requests"] for r in (frozen(), frozen(OURS))]
        assert [found["ephemeral-storage"] for found in requests] == ["17Gi", "1Gi"]

    @pytest.mark.parametrize(
        ("cache", "live", "want"),
        [
            pytest.param(None, None, False, id="a disk of its own"),
            pytest.param(OURS, None, True, id="a claim that we create"),
            pytest.param(THEIRS, None, True, id="a claim for one node"),
            pytest.param(THEIRS, MANY, False, id="a claim for many"),
        ],
    )
    def test_pods_of_a_claim_for_one_node_stay_together(
        self, cache: dict[str, Any] | None, live: dict[str, Any] | None, want: bool
    ) -> None:
        template = frozen(cache, live=live).template
        assert is_for_one_node(template) is want
        if want:
            (term,) = template["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            key, value = next(iter(term["labelSelector"]["matchLabels"].items()))
            assert template["metadata"]["labels"][key] == value, "the first of them may go anywhere"
            assert "nodeAffinity" in template["spec"]["affinity"]


class TestJob:
    def test_it_brings_the_commit(self) -> None:
        revision = frozen(OURS)
        job = build_job(a_model(cache=OURS), revision, "uid-1")
        assert job["metadata"]["name"] == f"mistral-{A_COMMIT[:10]}"
        pod = job["spec"]["template"]
        (container,) = pod["spec"]["containers"]
        assert container["command"][-1] == "fetch"
        read = prepare_settings(env_of(container), Overrides())
        assert (read.commit, read.endpoint, read.fetches) == (A_COMMIT, "http://mirror:8080", True)
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/models", "/tmp", "/etc/genmodel/token"}
        assert {volume["name"] for volume in pod["spec"]["volumes"]} == {"weights", "tmp", "token"}
        assert restricted_violations(pod["spec"]) == []

    def test_it_belongs_to_no_revision(self) -> None:
        found = build_job(a_model(cache=OURS), frozen(OURS), "uid-1")
        for metadata in (found["metadata"], found["spec"]["template"]["metadata"]):
            assert labels.REVISION not in metadata["labels"]
            assert metadata["labels"][labels.COMPONENT_KEY] == "fetch"
            assert metadata["labels"][labels.CLAIM] == "mistral-weights"

    def test_what_a_person_must_mend_is_not_tried_six_times(self) -> None:
        spec = build_job(a_model(cache=OURS), frozen(OURS), "uid-1")["spec"]
        assert spec["template"]["spec"]["restartPolicy"] == "Never"
        rules = {rule["action"]: rule for rule in spec["podFailurePolicy"]["rules"]}
        assert rules["FailJob"]["onExitCodes"]["values"] == [11, 12]
        assert rules["Ignore"]["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]

    def test_its_volume_comes_to_life_where_the_model_can_run(self) -> None:
        one, many = frozen(THEIRS).fetch, frozen(THEIRS, live=MANY).fetch
        assert one is not None
        assert many is not None
        assert "nodeAffinity" in one["spec"]["affinity"]
        assert "affinity" not in many["spec"]

    def test_a_user_s_part_of_the_pods_reaches_it(self) -> None:
        patch = {
            "metadata": {"annotations": {"team": "a"}},
            "spec": {
                "nodeSelector": {"disk": "fast"},
                "initContainers": [{"name": "prepare", "env": [{"name": "HTTPS_PROXY", "value": "http://proxy"}]}],
                "containers": [{"name": "server", "env": [{"name": "X", "value": "1"}]}],
            },
        }
        template = frozen(OURS, podTemplate=patch).fetch
        assert template is not None
        assert template["metadata"]["annotations"] == {"team": "a"}
        assert template["spec"]["nodeSelector"] == {"disk": "fast"}
        assert env_of(container_of(template, "containers"))["HTTPS_PROXY"] == "http://proxy"

    def test_the_longest_name_is_a_label(self) -> None:
        assert len(job_name("m" * 52, A_COMMIT)) == 63

    def test_what_is_in_use_changes_no_hash(self) -> None:
        job = build_job(a_model(cache=OURS), frozen(OURS), "uid-1")
        told = with_in_use(job, {"claim": "uid-1", "serving": [A_COMMIT], "kept": [], "asOf": 5})
        assert told["metadata"] == job["metadata"]
        container = container_of(told["spec"]["template"], "containers")
        assert in_use(env_of(container)).serving == {A_COMMIT}
        assert "GENMODEL_IN_USE" not in json.dumps(job)

    def test_another_claim_of_the_name_is_filled_anew(self) -> None:
        first, second = (build_job(a_model(cache=OURS), frozen(OURS), uid) for uid in ("uid-1", "uid-2"))
        hashes = {job["metadata"]["annotations"][labels.DESIRED_HASH] for job in (first, second)}
        assert len(hashes) == 2


@pytest.mark.parametrize("cache", [pytest.param(None, id="own disk"), pytest.param(OURS, id="claim")])
def test_a_frozen_revision_comes_back_whole(cache: dict[str, Any] | None) -> None:
    revision = frozen(cache)
    found = build_controller_revision(a_model(cache=cache), revision)
    assert revision_from_object(found) == revision
    assert found["metadata"]["labels"].get(labels.CLAIM) == ("mistral-weights" if cache else None)
