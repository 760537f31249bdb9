"""The pod template as this release and these settings make it, and a fingerprint of how they do.

The fingerprint is that of the same wish and plan with a made-up model and image: two of them differ
only where code or settings make other pods of it.
"""

from typing import Any

from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.engines import engine_for
from genmodel_operator.engines.overrides import overridden_args, overridden_env
from genmodel_operator.hub.facts import ModelFacts, RepoFile, ServedTask
from genmodel_operator.resources.hashing import sha256_of
from genmodel_operator.resources.names import served_names
from genmodel_operator.resources.pod import PodInputs, build_pod_template
from genmodel_operator.resources.pod_contract import with_pod_template
from genmodel_operator.resources.storage import OWN_DISK, Place, claim_of, serving_place
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.plan import ServingPlan

FINGERPRINT_LENGTH = 16
_ID, _IMAGE = "0" * 10, "sample"
_SAMPLE = ModelFacts(
    repository="sample/sample",
    commit="0" * 40,
    architecture="LlamaForCausalLM",
    model_type="llama",
    task=ServedTask.GENERATE,
    tasks=(ServedTask.GENERATE, ServedTask.EMBED),
    config={},
    files=(RepoFile("model.safetensors", 1, "0" * 40),),
    tensors=(),
    parameters=1,
    weights_bytes=1,
    stored_precision="BFloat16",
    quantization=None,
    max_context=1,
    license=None,
    gated=False,
    has_chat_template=True,
    chat_template="{% if tools %}<tool_call> arguments{% endif %}",
    provenance={},
)


def render(
    model: GenerativeModel,
    facts: ModelFacts,
    task: ServedTask,
    plan: ServingPlan,
    settings: Settings,
    *,
    revision_id: str,
    engine_image: str,
    place: Place = OWN_DISK,
) -> dict[str, Any]:
    """Return the whole pod template; raises ``PodTemplateError`` where the user's part of it would break the pods."""
    engine = engine_for(plan)
    pod = PodInputs(
        model=model,
        facts=facts,
        task=task,
        plan=plan,
        settings=settings,
        revision_id=revision_id,
        engine_name=engine.name,
        engine_image=engine_image,
        engine_args=tuple(
            engine.args(facts, plan, served_names(model), task=task).around(overridden_args(model.spec.engine.args)[0])
        ),
        engine_env=engine.env(facts, plan, settings),
        user_env=tuple(overridden_env(model.spec.engine.env)[0]),
        claim=place.claim,
        fetches=place.fetches,
    )
    patch = model.spec.pod_template.model_dump(by_alias=True, exclude_defaults=True)
    return with_pod_template(build_pod_template(pod), patch, resource=plan.resource)


def fingerprint(model: GenerativeModel, task: ServedTask, plan: ServingPlan, settings: Settings) -> str:
    """Return what tells renderings of the same wish and plan apart, in hex; the engine image is not part of it."""
    place = serving_place(claim_of(model))
    template = render(model, _SAMPLE, task, plan, settings, revision_id=_ID, engine_image=_IMAGE, place=place)
    return sha256_of(template)[:FINGERPRINT_LENGTH]
