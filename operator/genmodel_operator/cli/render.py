"""``genmodel render``: the exact objects that the operator would create."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from genmodel_operator.api.reasons import Reason, explain
from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.cli.decide import decide
from genmodel_operator.cli.described import Hardware
from genmodel_operator.cli.facts_file import read_facts
from genmodel_operator.cli.hub import fetch_facts, hub_endpoint
from genmodel_operator.cli.input import NOTHING_FITS, CommandError, read_models, refuse_claim_source
from genmodel_operator.cli.nodes import ReadCluster, survey_nodes
from genmodel_operator.hub.facts import ModelFacts, ServedTask
from genmodel_operator.resources import build_all
from genmodel_operator.resources.pod_patch import PodTemplateError
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.accelerators import Inventory
from genmodel_operator.sizing.explain import devices_text
from genmodel_operator.sizing.plan import Misfit, ServingPlan


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """What the user asked for; the names are those of the options."""

    filename: str
    facts: str | None
    nodes: str | None
    gpu: Sequence[str]
    cpu: Sequence[str]
    namespace: str | None
    output: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """The objects as text, and one line per model that says how it is served."""

    text: str
    notes: tuple[str, ...]


async def render(
    request: RenderRequest, *, settings: Settings, environ: Mapping[str, str], read_cluster: ReadCluster
) -> Rendered:
    """Return the objects of all models in the file; raise ``CommandError``."""
    models = read_models(request.filename, request.namespace)
    given = read_facts(request.facts) if request.facts else None
    for model in models:
        _check_repository(model, given, request)
    said = Hardware(gpu=request.gpu, cpu=request.cpu)
    surveyed = await survey_nodes(said, request.nodes, settings=settings, read_cluster=read_cluster)
    objects: list[dict[str, Any]] = []
    notes: list[str] = []
    for model in models:
        facts = given or await _facts_of(model, settings, environ)
        task, plan = plan_model(model, facts, surveyed.inventory, settings)
        objects += _objects(model, facts, task, plan, settings)
        notes.append(f"{model.metadata.name}: {plan.explanation}")
    return Rendered(_format(objects, request.output), tuple(notes))


def _objects(
    model: GenerativeModel, facts: ModelFacts, task: ServedTask, plan: ServingPlan, settings: Settings
) -> list[dict[str, Any]]:
    try:
        return build_all(model, facts, task, plan, settings)
    except PodTemplateError as error:
        said = explain(Reason.POD_TEMPLATE_REFUSED, path=error.path, detail=error.why)
        raise CommandError(f"{model.metadata.name}: {said}") from error


def _check_repository(model: GenerativeModel, facts: ModelFacts | None, request: RenderRequest) -> None:
    if facts is not None and facts.repository != model.spec.model:
        raise CommandError(
            f"{request.filename}: spec.model: {model.spec.model!r} is not the repository of {request.facts}, "
            f"which holds the facts of {facts.repository}; genmodel facts {model.spec.model} writes the right ones"
        )


async def _facts_of(model: GenerativeModel, settings: Settings, environ: Mapping[str, str]) -> ModelFacts:
    refuse_claim_source(model, "give --facts FILE, which genmodel facts REPO writes for the same model on a Hub")
    hub = model.spec.source.hub if model.spec.source else None
    endpoint = hub_endpoint(hub.endpoint if hub else None, settings=settings, environ=environ)
    return await fetch_facts(
        model.spec.model, model.spec.revision, endpoint=endpoint, settings=settings, environ=environ
    )


def plan_model(
    model: GenerativeModel, facts: ModelFacts, inventory: Inventory, settings: Settings
) -> tuple[ServedTask, ServingPlan]:
    """Return what a model is served as and how, as the operator decides; raise ``CommandError`` where it cannot be."""
    decided = decide(model, facts, inventory, settings)
    if isinstance(decided.answer, Misfit):
        name, plan = model.metadata.name, decided.answer
        rejected = [f"{name}: not {devices_text(one.product, one.count)}: {one.reason}" for one in plan.rejected]
        said = explain(Reason(plan.reason), **dict(plan.values))
        raise CommandError(f"{name}: {plan.reason}: {said}", *rejected, exit_code=NOTHING_FITS)
    return decided.task, decided.answer


def _format(objects: list[dict[str, Any]], output: str) -> str:
    if output == "json":
        return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}, indent=2) + "\n"
    return yaml.safe_dump_all(objects, sort_keys=False, explicit_start=True, allow_unicode=True, width=120)
