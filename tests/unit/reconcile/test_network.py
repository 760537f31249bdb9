"""The step that writes a model's NetworkPolicies: before pods, once, and never for want of knowledge taken away."""

import copy
from typing import Any

import pytest

from genmodel_operator.api.reasons import Reason
from genmodel_operator.controller.context import Context, Tools
from genmodel_operator.controller.errors import Stalled
from genmodel_operator.controller.network import protect
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.errors import Forbidden, KubeError, NotFound
from genmodel_operator.kube.kinds import NETWORK_POLICY, Kind
from genmodel_operator.resources.revision import Revision, freeze
from genmodel_operator.settings import NetworkSettings, Settings
from tests.builders import a_gpu_plan, a_model, some_facts

CLAIM = {"persistentVolumeClaim": {"claimName": "shared"}}
ON = Settings()
OFF = Settings(network=NetworkSettings(policies=False))
Object = dict[str, Any]


def revision(**spec: Any) -> Revision:
    return freeze(a_model(**spec), some_facts(), ServedTask.GENERATE, a_gpu_plan(), Settings(), number=1)


FETCHING, ON_CLAIM = revision(), revision(cache=CLAIM)


class Client:
    """Holds policies by name; counts what is written, and can refuse it."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.held: dict[str, Object] = {}
        self.wrote: list[str] = []
        self._refusal = refusal

    async def get(self, _kind: Kind, _namespace: str, name: str) -> Object:
        if name not in self.held:
            raise NotFound(name)
        return copy.deepcopy(self.held[name])

    async def create(self, kind: Kind, obj: Object) -> Object:
        assert kind is NETWORK_POLICY
        return self._keep("create", obj)

    async def apply(self, _kind: Kind, obj: Object) -> Object:
        return self._keep("apply", obj)

    async def delete(self, _kind: Kind, _namespace: str, name: str, **_: Any) -> None:
        self.wrote.append(f"delete {name}")
        del self.held[name]

    def _keep(self, verb: str, obj: Object) -> Object:
        if self._refusal is not None:
            raise self._refusal
        name = obj["metadata"]["name"]
        self.wrote.append(f"{verb} {name}")
        stored = copy.deepcopy(obj)
        stored["metadata"] |= {"uid": name, "resourceVersion": str(len(self.wrote))}
        self.held[name] = stored
        return copy.deepcopy(stored)


def a_context(client: Client, current: Revision | None, *, settings: Settings = ON, **more: Any) -> Context:
    tools = Tools(
        client=client,  # type: ignore[arg-type]
        hub=None,  # type: ignore[arg-type]
        cache=ChildCache(),
        inventory=None,  # type: ignore[arg-type]
        runtimes=None,  # type: ignore[arg-type]
        settings=settings,
        now=lambda: "2026-11-24T10:10:00Z",
    )
    model = a_model(**more.pop("spec", {}))
    return Context(tools=tools, model=model, resync=True, current=current, policies=copy.deepcopy(client.held), **more)


@pytest.mark.parametrize(
    ("current", "want"),
    [
        pytest.param(FETCHING, ["create mistral"], id="pods that fetch: one"),
        pytest.param(ON_CLAIM, ["create mistral", "create mistral-fetch"], id="a claim: two"),
        pytest.param(None, [], id="nothing to run: none"),
    ],
)
async def test_written_once(current: Revision | None, want: list[str]) -> None:
    client = Client()
    for _ in range(3):
        await protect(a_context(client, current))
    assert client.wrote == want


async def test_while_a_rollout_goes_on_both_kinds_of_pods_are_thought_of() -> None:
    client = Client()
    both: Any = {"revisions": [FETCHING], "deployments": {FETCHING.id: {}}}
    await protect(a_context(client, ON_CLAIM, **both))
    assert client.held["mistral"]["spec"]["egress"], "the old pods still fetch"
    await protect(a_context(client, ON_CLAIM, revisions=[FETCHING]))
    assert client.held["mistral"]["spec"]["egress"] == [], "and are gone"
    assert client.wrote == ["create mistral", "create mistral-fetch", "apply mistral"]


async def test_who_may_ask_changes_what_is_there() -> None:
    client = Client()
    await protect(a_context(client, FETCHING))
    peers = [{"podSelector": {"matchLabels": {"app": "chat"}}}]
    await protect(a_context(client, FETCHING, spec={"access": {"allowFrom": peers}}))
    assert client.held["mistral"]["spec"]["ingress"][0]["from"] == peers
    assert client.wrote == ["create mistral", "apply mistral"]


async def test_without_a_claim_the_download_s_policy_goes() -> None:
    client = Client()
    await protect(a_context(client, ON_CLAIM))
    await protect(a_context(client, FETCHING))
    assert client.wrote[2:] == ["apply mistral", "delete mistral-fetch"]


@pytest.mark.parametrize("current", [None, ON_CLAIM], ids=["nothing is known of the wish", "a wish"])
async def test_turned_off_they_go(current: Revision | None) -> None:
    client = Client()
    await protect(a_context(client, ON_CLAIM))
    await protect(a_context(client, current, settings=OFF))
    assert client.held == {}


async def test_while_the_wish_is_unknown_none_goes() -> None:
    client = Client()
    await protect(a_context(client, ON_CLAIM))
    await protect(a_context(client, None))
    assert set(client.held) == {"mistral", "mistral-fetch"}


@pytest.mark.parametrize(
    ("refusal", "want"),
    [
        pytest.param(Forbidden("admission webhook says no"), Stalled, id="a refusal"),
        pytest.param(KubeError("no answer"), KubeError, id="no answer"),
    ],
)
async def test_without_its_policy_nothing_new_starts_and_what_runs_is_looked_after(
    refusal: Exception, want: type[Exception]
) -> None:
    ctx = a_context(Client(refusal), FETCHING, revisions=[ON_CLAIM], deployments={ON_CLAIM.id: {}})
    with pytest.raises(want) as raised:
        await protect(ctx)
    assert ctx.has_to_wait(FETCHING)
    assert not ctx.has_to_wait(ON_CLAIM)
    if isinstance(raised.value, Stalled):
        assert raised.value.reason is Reason.REFUSED_BY_CLUSTER


async def test_a_policy_of_somebody_else_is_left_alone() -> None:
    client = Client()
    client.held["mistral"] = {"metadata": {"name": "mistral", "namespace": "team-a"}, "spec": {"podSelector": {}}}
    before = copy.deepcopy(client.held)
    ctx = a_context(client, FETCHING)
    ctx.policies = {}
    with pytest.raises(Stalled) as raised:
        await protect(ctx)
    assert raised.value.reason is Reason.NAME_CONFLICT
    assert (client.held, client.wrote, ctx.is_unprotected) == (before, [], True)
