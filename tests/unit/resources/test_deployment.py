"""The Deployment of a revision and the whole set of children."""

from collections.abc import Iterator
from typing import Any

import pytest

from genmodel_operator.api import labels
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.resources import build_all
from genmodel_operator.resources.deployment import build_deployment, progress_deadline_seconds
from genmodel_operator.resources.hashing import with_desired_hash
from genmodel_operator.resources.revision import Revision, freeze
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.plan import ServingPlan
from tests.builders import a_cpu_plan, a_gpu_plan, a_model, some_facts

PLANS = [pytest.param(a_gpu_plan(), id="GPU"), pytest.param(a_cpu_plan(), id="CPU")]


def frozen(**facts: Any) -> Revision:
    return freeze(a_model(), some_facts(**facts), ServedTask.GENERATE, a_gpu_plan(), Settings(), number=1)


def children(plan: ServingPlan, **spec: Any) -> list[dict[str, Any]]:
    return build_all(a_model(**spec), some_facts(), ServedTask.GENERATE, plan, Settings())


@pytest.mark.parametrize("replicas", [0, 1, 5])
def test_the_deployment(replicas: int) -> None:
    revision = frozen()
    deployment = build_deployment(a_model(), revision, replicas)
    spec = deployment["spec"]
    assert deployment["metadata"]["name"] == f"mistral-{revision.id}"
    assert spec["replicas"] == replicas
    assert spec["selector"]["matchLabels"] == labels.server_selector("mistral", revision.id)
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    assert spec["template"] == revision.template
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_the_deadline_covers_download_and_start() -> None:
    weights_bytes = 140_000_000_000
    start_seconds = 1800 + 700 + 60
    assert progress_deadline_seconds(frozen(weights_bytes=weights_bytes)) == start_seconds + 7000 + 600


@pytest.mark.parametrize("plan", PLANS)
def test_build_all(plan: ServingPlan) -> None:
    built = children(plan, replicas=2)
    assert [c["kind"] for c in built] == [
        "ControllerRevision",
        "Deployment",
        "Service",
        "NetworkPolicy",
        "PodDisruptionBudget",
    ]
    controller_revision, deployment, service, _, _ = built
    assert deployment["spec"]["replicas"] == 2
    assert deployment["metadata"]["name"] == controller_revision["metadata"]["name"]
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    assert all(c == with_desired_hash(c) for c in built)


def test_a_suspended_model_keeps_everything_but_its_pods() -> None:
    assert children(a_gpu_plan(), replicas=3, suspend=True)[1]["spec"]["replicas"] == 0


@pytest.mark.parametrize("plan", PLANS)
def test_every_child_is_labelled_and_owned(plan: ServingPlan) -> None:
    for child in children(plan):
        metadata = child["metadata"]
        assert labels.child_labels("mistral").items() <= metadata["labels"].items()
        assert labels.owner_name(metadata) == "mistral"
        assert [owner["kind"] for owner in metadata["ownerReferences"]] == ["GenerativeModel"]
        assert all(len(value) <= 63 for value in metadata["labels"].values())


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is not a non-empty object or list, with its path."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}")
    elif isinstance(value, list) and value:
        for item in value:
            yield from leaves(item, f"{path}[]")
    else:
        yield path, value


KEPT_EMPTY = {"podSelector"}
"""All pods, which the server stores."""


@pytest.mark.parametrize("plan", PLANS)
def test_nothing_is_written_that_the_server_would_leave_out(plan: ServingPlan) -> None:
    """An empty value never comes back, so that comparing would find a difference for ever."""
    for child in children(plan):
        if child["kind"] == "ControllerRevision":
            continue
        dropped = [(path, value) for path, value in leaves(child) if value in ("", {}, [], None)]
        assert [path for path, _ in dropped if path.rpartition(".")[2] not in KEPT_EMPTY] == []


KEPT_FALSE = {"automountServiceAccountToken", "enableServiceLinks", "allowPrivilegeEscalation"}
KEPT_ZERO = {"replicas", "revisionHistoryLimit", "maxSurge"}


@pytest.mark.parametrize("plan", PLANS)
def test_false_and_zero_only_where_the_server_keeps_them(plan: ServingPlan) -> None:
    for child in children(plan, replicas=0)[1:]:
        for path, value in leaves(child):
            name = path.rpartition(".")[2]
            if value is False:
                assert name in KEPT_FALSE, path
            elif value == 0 and not isinstance(value, str):
                assert name in KEPT_ZERO, path
