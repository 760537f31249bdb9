from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import pytest

from genmodel_operator.api import labels
from genmodel_operator.api.crd import root_schema
from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.client import KubeClient
from genmodel_operator.kube.errors import Forbidden, KubeError, Unreachable
from genmodel_operator.kube.kinds import DEPLOYMENT, GENERATIVE_MODEL, Kind
from genmodel_operator.kube.startup import prime, wait_until_served

DELAYS = (1.0, 2.0, 4.0, 8.0)


class Client:
    """Answers as it is told, one answer per look; the real one is tested against a real API server."""

    def __init__(self, *answers: bool | KubeError | None) -> None:
        self.answers = list(answers)
        self.listed: list[tuple[str, str | None, str | None]] = []

    async def is_served(self, kind: Kind) -> bool:
        assert kind is GENERATIVE_MODEL
        answer = self.answers.pop(0)
        if isinstance(answer, KubeError):
            raise answer
        return bool(answer)

    async def served_schema(self, kind: Kind) -> dict[str, Any]:
        assert kind is GENERATIVE_MODEL
        return root_schema()

    async def may_list(self, kind: Kind, namespace: str | None = None, *, label_selector: str | None = None) -> None:
        self.listed.append((kind.kind, namespace, label_selector))
        if kind is GENERATIVE_MODEL and self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, KubeError):
                raise answer

    async def pages(
        self, kind: Kind, namespace: str | None, *, label_selector: str, page_size: int
    ) -> AsyncIterator[Sequence[dict[str, Any]]]:
        self.listed.append((kind.kind, namespace, label_selector))
        assert page_size > 0
        if kind is DEPLOYMENT:
            for name in ("a-1", "b-1"):
                metadata = {"name": name, "namespace": "n", "resourceVersion": "1", "uid": name}
                yield [{"metadata": metadata | {"labels": labels.child_labels(name[0])}}]


def as_client(client: Client) -> KubeClient:
    return cast(KubeClient, client)


@pytest.mark.looptime
async def test_it_waits_until_the_kind_is_served_and_says_so(looptime: Any) -> None:
    reports: list[str | None] = []
    client = Client(Unreachable("connection refused"), False, False, True)
    await wait_until_served(as_client(client), report=reports.append, delays=DELAYS)
    assert looptime == 7
    assert reports[0] == "the API server does not answer: connection refused"
    assert "generativemodels.genmodel.dev with version v1alpha1 is not installed" in str(reports[1])
    assert reports[-1] is None


@pytest.mark.looptime
async def test_a_kind_that_is_served_takes_one_look(looptime: Any) -> None:
    reports: list[str | None] = []
    await wait_until_served(as_client(Client(True)), report=reports.append, delays=DELAYS)
    assert looptime == 0
    assert reports == [None]


@pytest.mark.parametrize(
    ("namespaces", "want"),
    [
        pytest.param([], [None], id="the whole cluster"),
        pytest.param(["team-a", "team-b"], ["team-a", "team-b"], id="two namespaces"),
    ],
)
async def test_every_watched_kind_is_listed_once_and_children_are_remembered(
    namespaces: list[str], want: list[str | None]
) -> None:
    client, cache, reports = Client(), ChildCache(), list[str | None]()
    await prime(as_client(client), cache, namespaces=namespaces, report=reports.append, delays=DELAYS)
    assert client.listed[0] == ("Node", None, None)
    assert [namespace for kind, namespace, _ in client.listed if kind == "GenerativeModel"] == want
    selectors = {selector for kind, _, selector in client.listed if kind not in ("Node", "GenerativeModel")}
    assert selectors == {labels.OWNED_SELECTOR}
    kinds = {kind for kind, _, _ in client.listed}
    children = {
        "Deployment",
        "Service",
        "ControllerRevision",
        "PodDisruptionBudget",
        "NetworkPolicy",
        "Job",
        "PersistentVolumeClaim",
        "Pod",
    }
    assert kinds == {"Node", "GenerativeModel"} | children
    assert len(cache.of_model(DEPLOYMENT, "n", "a")) == 1
    assert reports == [None]


@pytest.mark.looptime
async def test_a_missing_permission_is_named_until_it_is_granted(looptime: Any) -> None:
    reports: list[str | None] = []
    refused = Forbidden("generativemodels is forbidden", status=403, verb="list", kind="GenerativeModel")
    client = Client(refused, refused, None)
    await prime(as_client(client), ChildCache(), namespaces=[], report=reports.append, delays=DELAYS)
    assert looptime == 3
    want = (
        "the operator lacks a permission: list GenerativeModel: 403: generativemodels is forbidden; "
        "install the chart's RBAC again"
    )
    assert reports[:2] == [want, want]
    assert reports[-1] is None


@pytest.mark.looptime
async def test_an_api_server_that_does_not_answer_is_waited_for(looptime: Any) -> None:
    reports: list[str | None] = []
    client = Client(Unreachable("timed out"), None)
    await prime(as_client(client), ChildCache(), namespaces=[], report=reports.append, delays=DELAYS)
    assert looptime == 1
    assert reports == ["the API server does not answer: timed out", None]


async def test_an_operator_that_reads_no_nodes_lists_none() -> None:
    client, reports = Client(), list[str | None]()
    await prime(as_client(client), ChildCache(), namespaces=[], report=reports.append, delays=DELAYS, reads_nodes=False)
    kinds = [kind for kind, _, _ in client.listed]
    assert (kinds[0], "Node" in kinds, reports) == ("GenerativeModel", False, [None])
