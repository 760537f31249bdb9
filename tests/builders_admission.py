"""A reconcile as the policy's checks see it: a Hub that answers, and revisions that run or do not."""

from dataclasses import dataclass, replace
from typing import Any

from genmodel_operator.controller.context import Context, Tools
from genmodel_operator.controller.devices import DeviceLedger
from genmodel_operator.controller.queue import Key
from genmodel_operator.hub.client import HubError
from genmodel_operator.hub.facts import ModelFacts, ServedTask
from genmodel_operator.kube.cache import ChildCache
from genmodel_operator.kube.errors import NotFound
from genmodel_operator.kube.kinds import Kind
from genmodel_operator.policy.document import Policy
from genmodel_operator.resources.deployment import build_deployment
from genmodel_operator.resources.revision import Revision, freeze
from genmodel_operator.settings import Settings
from tests.builders import a_gpu_plan, a_model, some_facts


@dataclass
class Source:
    """A policy file as the steps see it."""

    current: Policy | None
    problem: str = ""


class Hub:
    """Answers with facts, or fails; counts what it is asked."""

    def __init__(self, answer: ModelFacts | HubError) -> None:
        self.answer = answer
        self.asked = 0

    async def resolve(self, *_: Any, **__: Any) -> ModelFacts:
        self.asked += 1
        if isinstance(self.answer, HubError):
            raise self.answer
        return self.answer


class Client:
    """Knows no Secret; ``live`` is what it lists."""

    def __init__(self) -> None:
        self.live: dict[Kind, list[dict[str, Any]]] = {}

    async def get(self, *_: Any) -> Any:
        raise NotFound("none")

    async def list(self, kind: Kind, *_: Any, **__: Any) -> list[dict[str, Any]]:
        return self.live.get(kind, [])


def policy(**keys: Any) -> Policy:
    return Policy.model_validate(keys)


def a_context(
    source: Source | None, *, hub: Hub | None = None, settings: Settings | None = None, **spec: Any
) -> Context:
    tools = Tools(
        client=Client(),  # type: ignore[arg-type]
        hub=hub,  # type: ignore[arg-type]
        cache=ChildCache(),
        inventory=None,  # type: ignore[arg-type]
        runtimes=None,  # type: ignore[arg-type]
        settings=settings or Settings(),
        now=str,
        policy=source,
        devices=DeviceLedger(ChildCache(), wake=list[Key]().append),
    )
    return Context(tools=tools, model=a_model(**spec), resync=True)


def frozen(ctx: Context, *, count: int = 2, **facts: Any) -> Revision:
    """Make a revision of the context's model and wish it."""
    plan = replace(a_gpu_plan(), count=count)
    found = freeze(ctx.model, some_facts(**facts), ServedTask.GENERATE, plan, Settings(), number=1)
    ctx.current = found
    ctx.revisions.append(found)
    return found


def run(ctx: Context, revision: Revision, replicas: int) -> None:
    """Let a revision have a Deployment, and the Service select it."""
    ctx.deployments[revision.id] = build_deployment(ctx.model, revision, replicas)
    ctx.serving = revision.id
