"""Which new revisions are shown to the API server, and what becomes of those that it refuses."""

from typing import Any

import pytest

from genmodel_operator.api.reasons import Reason
from genmodel_operator.controller.context import Context, Tools
from genmodel_operator.controller.dry_run import try_new
from genmodel_operator.controller.errors import StepError
from genmodel_operator.hub.facts import ServedTask
from genmodel_operator.kube.errors import AlreadyExists, Forbidden, Invalid, KubeError, Unreachable
from genmodel_operator.resources.revision import Revision, freeze
from genmodel_operator.settings import Settings
from tests.builders import a_gpu_plan, a_model, some_facts

PATCH: Any = {
    "podTemplate": {"spec": {"containers": [{"name": "server", "resources": {"requests": {"cpu": "1000m"}}}]}}
}
OLD = "aaaaaaaaaa"


class Client:
    """Answers a dry run with what it was sent, in the server's writing, or raises."""

    def __init__(self, problem: KubeError | None = None) -> None:
        self._problem = problem
        self.tried: list[str] = []

    async def dry_run(self, _kind: Any, wanted: Any) -> Any:
        self.tried.append(wanted["metadata"]["name"])
        if self._problem is not None:
            raise self._problem
        template = wanted["spec"]["template"]
        server = template["spec"]["containers"][0]
        written = {**server, "resources": {**server["resources"], "requests": {"cpu": "1"}}, "stdin": False}
        spec = {**template["spec"], "containers": [written], "dnsPolicy": "ClusterFirst"}
        return {**wanted, "spec": {**wanted["spec"], "template": {**template, "spec": spec}}}


def a_context(client: Client, *, serving: str | None = OLD, frozen: bool = False, **spec: Any) -> Context:
    model = a_model(**spec)
    new = freeze(model, some_facts(), ServedTask.GENERATE, a_gpu_plan(), Settings(), number=2)
    tools = Tools(
        client=client,  # type: ignore[arg-type]
        hub=None,  # type: ignore[arg-type]
        cache=None,  # type: ignore[arg-type]
        inventory=None,  # type: ignore[arg-type]
        runtimes=None,  # type: ignore[arg-type]
        settings=Settings(),
        now=str,
    )
    return Context(
        tools=tools,
        model=model,
        resync=False,
        current=new,
        serving=serving,
        revisions=[new] if frozen else [],
    )


def current(ctx: Context) -> Revision:
    assert ctx.current is not None
    return ctx.current


@pytest.mark.parametrize(
    ("serving", "frozen", "spec", "want_tried"),
    [
        pytest.param(OLD, False, {}, True, id="it would replace what serves"),
        pytest.param(None, False, PATCH, True, id="a user had a part in its pods"),
        pytest.param(None, False, {}, False, id="the first one, all ours"),
        pytest.param(OLD, True, {}, False, id="frozen already"),
        pytest.param(OLD, True, PATCH, False, id="frozen already, with a user's part"),
    ],
)
async def test_what_is_tried(serving: str | None, frozen: bool, spec: dict[str, Any], want_tried: bool) -> None:
    client = Client()
    ctx = a_context(client, serving=serving, frozen=frozen, **spec)
    await try_new(ctx)
    assert bool(client.tried) == want_tried


async def test_what_is_planned_anew_is_tried_under_a_name_that_is_free() -> None:
    client = Client()
    ctx = a_context(client, frozen=True, **PATCH)
    ctx.replaced = ctx.current
    await try_new(ctx)
    assert client.tried == [f"mistral-{current(ctx).id}-check"]


async def test_a_users_part_is_frozen_as_the_server_writes_it() -> None:
    ctx = a_context(Client(), **PATCH)
    before = current(ctx)
    await try_new(ctx)
    server = current(ctx).template["spec"]["containers"][0]
    assert server["resources"]["requests"] == {"cpu": "1"}
    assert "stdin" not in server
    assert "dnsPolicy" not in current(ctx).template["spec"]
    assert (current(ctx).id, current(ctx).rendering) == (before.id, before.rendering)


async def test_what_is_all_ours_stays_as_it_is() -> None:
    ctx = a_context(Client())
    before = current(ctx)
    await try_new(ctx)
    assert ctx.current is before


INVALID = Invalid('Deployment.apps "x" is invalid: spec.template.spec.dnsPolicy: Unsupported value: "Nowhere"')


@pytest.mark.parametrize(
    ("problem", "spec", "want_reason", "want_words"),
    [
        pytest.param(
            INVALID,
            {"podTemplate": {"spec": {"dnsPolicy": "Nowhere"}}},
            Reason.POD_TEMPLATE_REFUSED,
            'spec.podTemplate.spec.dnsPolicy: Unsupported value: "Nowhere"; correct',
            id="a user's field",
        ),
        pytest.param(INVALID, {}, Reason.REFUSED_BY_CLUSTER, "spec.template.spec.dnsPolicy", id="a field of ours"),
        pytest.param(
            Forbidden("denied by policy"), PATCH, Reason.REFUSED_BY_CLUSTER, "denied by policy", id="a policy"
        ),
        pytest.param(
            Forbidden("the namespace is being terminated: is being terminated"),
            {},
            Reason.NAMESPACE_TERMINATING,
            "is being deleted",
            id="a namespace that goes",
        ),
    ],
)
async def test_what_is_refused_is_not_wished_any_more_and_says_why(
    problem: KubeError, spec: dict[str, Any], want_reason: Reason, want_words: str
) -> None:
    ctx = a_context(Client(problem), **spec)
    with pytest.raises(StepError) as refused:
        await try_new(ctx)
    assert refused.value.reason is want_reason
    assert want_words in refused.value.message
    assert ctx.current is None, "what serves goes on"


async def test_without_an_answer_nothing_is_replaced() -> None:
    ctx = a_context(Client(Unreachable("gone")))
    with pytest.raises(Unreachable):
        await try_new(ctx)
    assert ctx.current is None


async def test_a_name_that_somebody_has_says_nothing_against_it() -> None:
    ctx = a_context(Client(AlreadyExists("taken")), **PATCH)
    before = current(ctx)
    await try_new(ctx)
    assert ctx.current is before
