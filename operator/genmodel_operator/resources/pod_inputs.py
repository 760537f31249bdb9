"""What a pod template is rendered from."""

from dataclasses import dataclass

from genmodel_operator.api.v1alpha1 import EnvVar, GenerativeModel
from genmodel_operator.hub.facts import ModelFacts, ServedTask
from genmodel_operator.resources.storage import Claim
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.plan import ServingPlan


@dataclass(frozen=True, slots=True)
class PodInputs:
    """Everything that a pod template depends on.

    Attributes:
        model: the user's object; ``facts``, ``task``, ``plan``, ``settings`` as elsewhere.
        revision_id: first 10 hex digits of the inputs hash.
        engine_name: value of GENMODEL_ENGINE.
        engine_image: image of the server container.
        engine_args: the whole command line of the engine.
        engine_env: what the engine needs, which the user may change.
        user_env: variables of ``spec.engine.env`` that are passed on.
        claim: what the weights are on; None: a disk of the pod's own.
        fetches: ``prepare`` brings the weights; False: a Job has brought them to the claim.

    """

    model: GenerativeModel
    facts: ModelFacts
    task: ServedTask
    plan: ServingPlan
    settings: Settings
    revision_id: str
    engine_name: str
    engine_image: str
    engine_args: tuple[str, ...]
    engine_env: dict[str, str]
    user_env: tuple[EnvVar, ...]
    claim: Claim | None = None
    fetches: bool = True
