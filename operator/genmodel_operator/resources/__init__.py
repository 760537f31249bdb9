"""Builders of the Kubernetes objects of a model: values in, plain dictionaries out. Pure."""

from typing import Any

from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.hub.facts import ModelFacts, ServedTask
from genmodel_operator.resources.deployment import build_deployment
from genmodel_operator.resources.disruption import build_disruption_budget
from genmodel_operator.resources.hashing import with_desired_hash
from genmodel_operator.resources.job import build_job
from genmodel_operator.resources.network import build_inspection_policies, build_network_policies
from genmodel_operator.resources.revision import build_controller_revision, freeze
from genmodel_operator.resources.service import build_service
from genmodel_operator.resources.source import build_inspection_job
from genmodel_operator.resources.storage import build_claim, claim_of
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.plan import ServingPlan


def build_all(
    model: GenerativeModel, facts: ModelFacts, task: ServedTask, plan: ServingPlan, settings: Settings
) -> list[dict[str, Any]]:
    """Return the objects of a model's first revision, exactly as they are applied."""
    revision = freeze(model, facts, task, plan, settings, number=1)
    on_claim, source = revision.fetch is not None, model.spec.claim_source
    given = claim_of(model)
    children = (
        build_claim(model, plan, None) if on_claim and _creates_claim(model) else None,
        build_controller_revision(model, revision),
        build_job(model, revision, UNKNOWN_CLAIM) if on_claim else None,
        build_inspection_job(model, settings, source, given, UNKNOWN_CLAIM) if source and given else None,
        build_deployment(model, revision, model.spec.desired_replicas),
        build_service(model, revision.id),
        *build_network_policies(model, settings, servers_fetch=revision.servers_fetch, jobs_fetch=on_claim),
        *build_inspection_policies(model, settings),
        build_disruption_budget(model),
    )
    return [with_desired_hash(child) for child in children if child is not None]


UNKNOWN_CLAIM = "unknown"
"""In place of the uid of a claim that the cluster was not asked for."""


def _creates_claim(model: GenerativeModel) -> bool:
    claim = claim_of(model)
    return claim is not None and claim.is_ours
