"""Revisions: what a rollout puts in place, frozen in a ControllerRevision.

A revision is known by its inputs: what the user asked for and the commit, never by what was made of
it. So an operator upgrade, a changed cluster or a lost status re-render and restart nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from genmodel_operator.api import labels
from genmodel_operator.api.v1alpha1 import GenerativeModel, ModelStatus
from genmodel_operator.engines import engine_for
from genmodel_operator.engines.overrides import overridden_args, overridden_env
from genmodel_operator.hub.facts import ModelFacts, ServedTask
from genmodel_operator.resources.fetch_pod import fetch_pod_template
from genmodel_operator.resources.hashing import canonical_json, sha256_of
from genmodel_operator.resources.names import child_metadata, child_name
from genmodel_operator.resources.rendering import fingerprint, render
from genmodel_operator.resources.storage import Claim, Place, claim_name, claim_of, serving_place
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.plan import ServingPlan, plan_from_json, plan_to_json

REVISION_ID_LENGTH = 10
DATA_FORMAT = 1
"""Layout of the ControllerRevision's data; raised where an older operator would misread it."""

_NOT_INPUTS: dict[str, Any] = {
    **dict.fromkeys(("replicas", "suspend", "revision", "update_policy", "cache"), True),
    "access": {"allow_from"},
}
"""What reaches no pod, as pydantic excludes it."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One frozen revision.

    Attributes:
        id: first 10 hex digits of ``hash``.
        hash: SHA-256 of the inputs.
        inputs: the spec fields that a user set and that reach the pod, the commit, the update annotation.
        number: counts up with each new revision of a model.
        source_revision: what was resolved to the commit, see ``source_revision``; the last one where several were;
            empty where somebody took that annotation away.
        model: what the repository holds at that commit.
        plan: how it is served.
        engine_image, engine_name: what serves it.
        template: the rendered pod template.
        overridden: entries of ``spec.engine`` that were not passed on.
        rendering: fingerprint of how the template was made; empty in revisions of releases that had none.
        fetch: pod template of the download, where the weights are on a claim.

    """

    id: str
    hash: str
    inputs: dict[str, Any]
    number: int
    source_revision: str
    model: ModelStatus
    plan: ServingPlan
    engine_image: str
    engine_name: str
    template: dict[str, Any]
    overridden: tuple[str, ...]
    rendering: str = ""
    fetch: dict[str, Any] | None = None

    @property
    def is_on_source(self) -> bool:
        """Whether its pods serve files that a user put on a claim."""
        return bool((self.inputs["spec"].get("source") or {}).get("persistentVolumeClaim"))

    @property
    def servers_fetch(self) -> bool:
        """Whether its pods bring their weights themselves."""
        return self.fetch is None and not self.is_on_source


def inputs_of(model: GenerativeModel, commit: str) -> dict[str, Any]:
    """Return what makes a revision: values that differ from the defaults, so that a new field changes no hash."""
    spec = model.spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=_NOT_INPUTS)
    patch = {"podTemplate": spec.pop("podTemplate", {})}
    if (claim := claim_name(model)) is not None:
        # Size and class of a claim reach no pod.
        spec["cache"] = {"claimName": claim}
    # What a user writes there is taken as written: an empty object can be a choice, as in emptyDir.
    inputs: dict[str, Any] = {"spec": _without_empties(spec) | (patch if any(patch.values()) else {}), "commit": commit}
    update = model.metadata.annotations.get(labels.UPDATE)
    if update:
        inputs["update"] = update
    return inputs


def _without_empties(value: Any) -> Any:
    """Return a value without empty objects, which say the same as absent ones."""
    if isinstance(value, dict):
        pruned = {key: _without_empties(item) for key, item in value.items()}
        return {key: item for key, item in pruned.items() if item not in ({}, [])}
    return value


def inputs_hash(inputs: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the inputs, in hex."""
    return sha256_of(inputs)


def revision_id(full_hash: str) -> str:
    """Return the short form of an inputs hash that names objects."""
    return full_hash[:REVISION_ID_LENGTH]


def freeze(
    model: GenerativeModel,
    facts: ModelFacts,
    task: ServedTask,
    plan: ServingPlan,
    settings: Settings,
    *,
    number: int,
    claim: Claim | None = None,
) -> Revision:
    """Return a new revision: everything that its objects will ever be built from.

    ``claim`` is the live claim, where the model's weights are on one.
    Raises ``PodTemplateError`` where ``spec.podTemplate`` would break the model's pods.
    """
    inputs = inputs_of(model, facts.commit)
    full_hash = inputs_hash(inputs)
    engine = engine_for(plan)
    image = model.spec.engine.image or engine.image(settings)
    claim = claim or claim_of(model)

    def rendered(place: Place) -> dict[str, Any]:
        new_id = revision_id(full_hash)
        return render(model, facts, task, plan, settings, revision_id=new_id, engine_image=image, place=place)

    return Revision(
        id=revision_id(full_hash),
        hash=full_hash,
        inputs=inputs,
        number=number,
        source_revision=source_revision(model),
        model=model_status(facts, task),
        plan=plan,
        engine_image=image,
        engine_name=engine.name,
        template=rendered(serving_place(claim)),
        overridden=(*overridden_args(model.spec.engine.args)[1], *overridden_env(model.spec.engine.env)[1]),
        rendering=fingerprint(model, task, plan, settings),
        fetch=None if claim is None or claim.is_source else _fetch(model, facts.commit, claim, rendered(Place(claim))),
    )


def source_revision(model: GenerativeModel) -> str:
    """Return what is resolved to a commit: a branch, tag or commit; for a claim the folder, and when it was last read.

    Neither a branch nor a tag has a colon in its name.
    """
    source = model.spec.claim_source
    if source is None:
        return model.spec.revision
    return f"claim:{source.claim_name}/{source.path or ''}:{model.metadata.annotations.get(labels.UPDATE, '')}"


def _fetch(model: GenerativeModel, commit: str, claim: Claim, template: dict[str, Any]) -> dict[str, Any]:
    return fetch_pod_template(template, model_name=model.metadata.name, commit=commit, claim=claim)


def model_status(facts: ModelFacts, task: ServedTask) -> ModelStatus:
    """Return what status shows of the repository."""
    return ModelStatus(
        repository=facts.repository,
        commit=facts.commit,
        architecture=facts.architecture,
        task=task.value,
        license=facts.license,
        gated=facts.gated,
        remote_code=facts.remote_code or None,
        parameters=facts.parameters,
        precision=facts.stored_precision,
        weights_bytes=facts.weights_bytes,
        max_context=facts.max_context,
    )


def build_controller_revision(model: GenerativeModel, revision: Revision) -> dict[str, Any]:
    """Return the ControllerRevision that keeps a revision; its data can never be changed."""
    name = model.metadata.name
    metadata = child_metadata(
        model, child_name(name, revision.id), labels.revision_labels(name, revision.id, revision.model.commit)
    )
    if revision.fetch is not None:
        metadata["labels"][labels.CLAIM] = revision.fetch["metadata"]["labels"][labels.CLAIM]
    plan = plan_to_json(revision.plan)
    metadata["annotations"] = {
        labels.INPUTS_HASH: revision.hash,
        labels.PLAN: canonical_json(plan),
        labels.SOURCE_REVISION: revision.source_revision,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": metadata,
        "revision": revision.number,
        "data": {
            "format": DATA_FORMAT,
            "inputs": revision.inputs,
            "model": revision.model.model_dump(mode="json", by_alias=True, exclude_none=True),
            "plan": plan,
            "engine": {"name": revision.engine_name, "image": revision.engine_image},
            "template": revision.template,
            "overridden": list(revision.overridden),
            **({"rendering": revision.rendering} if revision.rendering else {}),
            **({"fetch": revision.fetch} if revision.fetch else {}),
        },
    }


def revision_from_object(found: Mapping[str, Any]) -> Revision:
    """Return the revision that a ControllerRevision keeps.

    Raises ``ValueError`` where it is not one of ours, of a newer layout, or not what its name says.
    """
    name = str(found.get("metadata", {}).get("name"))
    try:
        return _revision_from(found)
    except KeyError as error:
        raise ValueError(f"ControllerRevision {name} does not hold a revision: {error} is missing") from error
    except (TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"ControllerRevision {name} does not hold a revision: {error}") from error


def _revision_from(found: Mapping[str, Any]) -> Revision:
    metadata, data = found["metadata"], found["data"]
    if data["format"] != DATA_FORMAT:
        raise ValueError(f"its data has format {data['format']}, not {DATA_FORMAT}")
    full_hash = inputs_hash(data["inputs"])
    # Its labels can be edited by hand; its name cannot.
    if not metadata["name"].endswith(f"-{revision_id(full_hash)}"):
        raise ValueError("its name is that of another revision")
    return Revision(
        id=revision_id(full_hash),
        hash=full_hash,
        inputs=data["inputs"],
        number=int(found["revision"]),
        source_revision=str((metadata.get("annotations") or {}).get(labels.SOURCE_REVISION, "")),
        model=ModelStatus.model_validate(data["model"]),
        plan=plan_from_json(data["plan"]),
        engine_image=data["engine"]["image"],
        engine_name=data["engine"]["name"],
        template=data["template"],
        overridden=tuple(data["overridden"]),
        rendering=data.get("rendering", ""),
        fetch=data.get("fetch"),
    )
