"""What the operator would decide for a model, step by step as its controller does."""

from dataclasses import dataclass

from genmodel_operator.api.reasons import Reason, explain
from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.cli.input import REFUSED, CommandError
from genmodel_operator.engines import Refusal, engine_for
from genmodel_operator.engines.architectures import supports
from genmodel_operator.hub.facts import ModelFacts, Refused, ServedTask, choose_task
from genmodel_operator.policy.rules import Repository, refuse_repository, refuse_wish
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.accelerators import Inventory
from genmodel_operator.sizing.configured import plan_policy
from genmodel_operator.sizing.plan import Misfit, ServingPlan, plan_serving


@dataclass(frozen=True, slots=True)
class Decision:
    """What a model is served as, and how, or why it cannot be."""

    task: ServedTask
    answer: ServingPlan | Misfit


def decide(model: GenerativeModel, facts: ModelFacts, inventory: Inventory, settings: Settings) -> Decision:
    """Return the decision; raise ``CommandError`` where the model or the engine refuses."""
    name, policy = model.metadata.name, settings.policy
    repository = Repository(facts.repository, facts.license, facts.gated, facts.commit, facts.remote_code)
    for refusal in (
        *refuse_wish(policy, model=model.spec.model, image=model.spec.engine.image),
        *refuse_repository(policy, repository, trusts_code=model.spec.trust.remote_code),
    ):
        _refuse(name, refusal)
    try:
        task = choose_task(facts, model.spec.task)
    except Refused as refused:
        raise CommandError(f"{name}: {refused.reason}: {refused}", exit_code=REFUSED) from refused
    _refuse(name, supports(facts))
    answer = plan_serving(facts=facts, task=task, spec=model.spec, inventory=inventory, policy=plan_policy(settings))
    if isinstance(answer, ServingPlan):
        _refuse(name, engine_for(answer).supports(facts))
    return Decision(task, answer)


def _refuse(name: str, refusal: Refusal | None) -> None:
    if refusal is not None:
        said = explain(Reason(refusal.reason), **dict(refusal.values))
        raise CommandError(f"{name}: {refusal.reason}: {said}", exit_code=REFUSED)
