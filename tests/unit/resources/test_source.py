"""A user's claim: the Job that reads it, and the pods that serve from it."""

from typing import Any

import pytest

from genmodel_operator.api import labels
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.resources import build_all
from genmodel_operator.resources.pod_patch import PodTemplateError
from genmodel_operator.resources.revision import (
    Revision,
    build_controller_revision,
    freeze,
    inputs_hash,
    inputs_of,
    revision_from_object,
    source_revision,
)
from genmodel_operator.resources.source import build_inspection_job
from genmodel_operator.resources.storage import claim_of
from genmodel_operator.settings import EngineSettings, Settings
from genmodel_runtime.settings import Overrides, inspect_settings, prepare_settings
from tests.builders import A_COMMIT, a_gpu_plan, a_model, some_facts
from tests.pod_security import restricted_violations

MANY = {"spec": {"accessModes": ["ReadOnlyMany"]}}
SETTINGS = Settings(engines=EngineSettings(image_pull_secrets=["pull"]))
Object = dict[str, Any]


def source(**claim: str) -> Object:
    return {"persistentVolumeClaim": {"claimName": "models", "path": "team/llama", **claim}}


def a_wish(**spec: Any) -> Any:
    return a_model(**({"source": source()} | spec))


def frozen(wished: Any, live: Object | None = None) -> Revision:
    claim = claim_of(wished, live)
    return freeze(wished, some_facts(), ServedTask.GENERATE, a_gpu_plan(), SETTINGS, number=1, claim=claim)


def job_of(wished: Any, live: Object | None = None, *, settings: Settings = SETTINGS) -> Object:
    claim = claim_of(wished, live)
    assert claim is not None
    return build_inspection_job(wished, settings, wished.spec.claim_source, claim, "uid-1")


def env_of(container: Object) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}


def pod_of(job: Object) -> Object:
    found: Object = job["spec"]["template"]
    return found


class TestInspection:
    def test_its_pod_is_restricted_and_reads_alone(self) -> None:
        template = pod_of(job_of(a_wish()))
        assert restricted_violations(template["spec"]) == []
        spec = template["spec"]
        assert {volume["name"] for volume in spec["volumes"]} == {"weights", "tmp"}, "no token"
        (container,) = spec["containers"]
        (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "weights"]
        assert mount == {"name": "weights", "mountPath": "/models", "readOnly": True}
        assert spec["volumes"][0]["persistentVolumeClaim"] == {"claimName": "models", "readOnly": True}
        assert template["metadata"]["labels"][labels.COMPONENT_KEY] == "inspect"
        assert labels.REVISION not in template["metadata"]["labels"], "no Service selects it"

    @pytest.mark.parametrize(
        ("wished", "want"),
        [pytest.param(a_wish(), "team/llama", id="a folder"), pytest.param(a_wish(source={
            "persistentVolumeClaim": {"claimName": "models"}}), "", id="the root")],
    )  # fmt: skip
    def test_the_runtime_reads_what_the_operator_sets(self, wished: Any, want: str) -> None:
        (container,) = pod_of(job_of(wished))["spec"]["containers"]
        assert inspect_settings(env_of(container), Overrides()).path == want

    @pytest.mark.parametrize(
        ("live", "want"), [pytest.param(None, True, id="for one node"), pytest.param(MANY, False, id="for many")]
    )
    def test_it_goes_where_the_others_of_a_claim_for_one_node_are(self, live: Object | None, want: bool) -> None:
        affinity = pod_of(job_of(a_wish(), live))["spec"].get("affinity", {})
        assert ("podAffinity" in affinity) is want

    def test_it_goes_to_nodes_that_their_devices_keep_others_off(self) -> None:
        keys = {entry["key"] for entry in pod_of(job_of(a_wish()))["spec"]["tolerations"]}
        assert keys == {"nvidia.com/gpu", "amd.com/gpu"}

    def test_a_user_says_where_it_runs(self) -> None:
        wished = a_wish(podTemplate={"spec": {"nodeSelector": {"disk": "a"}, "hostNetwork": True}})
        spec = pod_of(job_of(wished))["spec"]
        assert spec["nodeSelector"] == {"disk": "a"}
        assert "hostNetwork" not in spec
        assert spec["imagePullSecrets"] == [{"name": "pull"}]

    @pytest.mark.parametrize(
        ("changes", "want_same"),
        [
            pytest.param({"replicas": 5, "context": {"maxModelLen": 128}}, True, id="what the files do not depend on"),
            pytest.param({"source": source(path="team/other")}, False, id="another folder"),
            pytest.param({"source": source(claimName="other")}, False, id="another claim"),
        ],
    )
    def test_its_name_tells_what_it_reads(self, changes: Object, want_same: bool) -> None:
        before, after = job_of(a_wish()), job_of(a_wish(**changes))
        assert (before["metadata"]["name"] == after["metadata"]["name"]) is want_same

    def test_its_name_is_a_label(self) -> None:
        wished = a_wish()
        metadata = wished.metadata.model_copy(update={"name": "m" * 52})
        assert len(job_of(wished.model_copy(update={"metadata": metadata}))["metadata"]["name"]) == 63


class TestServing:
    def test_pods_mount_the_folder_in_the_place_of_a_commit(self) -> None:
        template = frozen(a_wish()).template
        assert restricted_violations(template["spec"]) == []
        for container in (template["spec"]["initContainers"][0], template["spec"]["containers"][0]):
            (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "weights"]
            assert mount["mountPath"] == f"/models/{A_COMMIT}"
            assert (mount["subPath"], mount["readOnly"]) == ("team/llama", True)
        assert "token" not in {volume["name"] for volume in template["spec"]["volumes"]}

    def test_the_root_needs_no_folder(self) -> None:
        wished = a_wish(source={"persistentVolumeClaim": {"claimName": "models"}})
        (mount,) = [
            mount
            for mount in frozen(wished).template["spec"]["containers"][0]["volumeMounts"]
            if mount["name"] == "weights"
        ]
        assert "subPath" not in mount

    def test_the_runtime_compares_and_fetches_nothing(self) -> None:
        prepare = frozen(a_wish()).template["spec"]["initContainers"][0]
        settings = prepare_settings(env_of(prepare), Overrides())
        assert (settings.is_mounted, settings.fetches, settings.commit) == (True, False, A_COMMIT)
        assert "HF_ENDPOINT" not in env_of(prepare)

    def test_nothing_is_downloaded_and_nobody_reaches_out(self) -> None:
        wished = a_wish()
        found = build_all(wished, some_facts(), ServedTask.GENERATE, a_gpu_plan(), Settings())
        kinds = [one["kind"] for one in found]
        assert "PersistentVolumeClaim" not in kinds
        assert [one["spec"]["template"]["metadata"]["labels"][labels.COMPONENT_KEY] for one in found
                if one["kind"] == "Job"] == ["inspect"]  # fmt: skip
        policies = {one["metadata"]["name"]: one["spec"] for one in found if one["kind"] == "NetworkPolicy"}
        assert {name: spec["egress"] for name, spec in policies.items()} == {"mistral": [], "mistral-inspect": []}

    @pytest.mark.parametrize("container", ["prepare", "server"])
    def test_a_user_s_part_of_the_template_leaves_the_mount(self, container: str) -> None:
        field = {"prepare": "initContainers", "server": "containers"}[container]
        mount = {"name": "tmp", "mountPath": f"/models/{A_COMMIT}"}
        patch = {"spec": {field: [{"name": container, "volumeMounts": [mount]}]}}
        with pytest.raises(PodTemplateError, match="the runtime, the weights and the API keys are there"):
            frozen(a_wish(podTemplate=patch))


class TestRevision:
    def test_it_is_kept_and_read_again(self) -> None:
        revision = frozen(a_wish())
        kept = build_controller_revision(a_wish(), revision)
        assert labels.CLAIM not in kept["metadata"]["labels"], "no sweep counts it"
        found = revision_from_object(kept)
        assert (found, found.is_on_source, found.servers_fetch) == (revision, True, False)

    @pytest.mark.parametrize(
        ("spec", "want"),
        [
            pytest.param({"source": None}, (False, True), id="own disk"),
            pytest.param({"source": None, "cache": {"persistentVolumeClaim": {}}}, (False, False), id="cache"),
            pytest.param({}, (True, False), id="source"),
        ],
    )
    def test_who_fetches(self, spec: Object, want: tuple[bool, bool]) -> None:
        revision = frozen(a_wish(**spec))
        assert (revision.is_on_source, revision.servers_fetch) == want

    @pytest.mark.parametrize(
        "changes",
        [
            pytest.param({"source": source(path="other")}, id="another folder"),
            pytest.param({"source": source(claimName="other")}, id="another claim"),
            pytest.param({"source": None}, id="a Hub"),
        ],
    )
    def test_another_place_is_another_revision(self, changes: Object) -> None:
        other = a_wish(**changes)
        assert inputs_hash(inputs_of(other, A_COMMIT)) != inputs_hash(inputs_of(a_wish(), A_COMMIT))
        assert source_revision(other) != source_revision(a_wish())

    def test_no_branch_has_the_name_of_a_claim(self) -> None:
        assert source_revision(a_wish()) == "claim:models/team/llama:"
        assert source_revision(a_model(revision="v1")) == "v1"
