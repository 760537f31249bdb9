"""The Job that brings one commit to a claim, and its pod. Pure."""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from genmodel_operator.api import labels
from genmodel_operator.api.v1alpha1 import GenerativeModel
from genmodel_operator.resources.hashing import with_desired_hash
from genmodel_operator.resources.names import child_metadata
from genmodel_operator.resources.revision import Revision
from genmodel_runtime.contract import PREPARE_CONTAINER, Env, ExitCode

TRIES = 6
"""Pods of one Job; each waits out an hour of temporary errors by itself."""


def job_name(model_name: str, commit: str) -> str:
    """Return the name of the Job that brings a commit; it becomes a label, so it has 63 characters at most."""
    return f"{model_name}-{commit[:10]}"


def build_job(model: GenerativeModel, revision: Revision, claim_uid: str) -> dict[str, Any]:
    """Return the Job of a revision's commit, made of what was frozen with it, with the hash of itself."""
    if revision.fetch is None:
        raise ValueError(f"the revision {revision.id} has no claim")
    name, commit = model.metadata.name, revision.model.commit
    metadata = child_metadata(model, job_name(name, commit), revision.fetch["metadata"]["labels"])
    metadata["annotations"] = {labels.CLAIM_UID: claim_uid}
    return job_of(metadata, revision.fetch, tries=TRIES, hopeless=(ExitCode.NEEDS_A_PERSON, ExitCode.NO_SPACE))


def job_of(
    metadata: dict[str, Any], template: Mapping[str, Any], *, tries: int, hopeless: Sequence[ExitCode]
) -> dict[str, Any]:
    """Return a Job with the hash of itself; the exit codes that are hopeless end it at its first try."""
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "backoffLimit": tries - 1,
            "podFailurePolicy": {
                "rules": [
                    # The cluster took the pod away: that is no try.
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    {
                        "action": "FailJob",
                        "onExitCodes": {
                            "containerName": PREPARE_CONTAINER,
                            "operator": "In",
                            "values": [int(code) for code in hopeless],
                        },
                    },
                ]
            },
            "template": template,
        },
    }
    return with_desired_hash(job)


def with_generation(job: Mapping[str, Any], generation: int) -> dict[str, Any]:
    """Return a Job that also knows for which wish it was made; its hash stays that of the Job without it."""
    told = deepcopy(dict(job))
    told["metadata"]["annotations"][labels.GENERATION] = str(generation)
    return told


def with_failure(job: Mapping[str, Any], reason: str, message: str) -> dict[str, Any]:
    """Return a Job that also knows why the one before it failed; its hash stays that of the Job without it."""
    told = deepcopy(dict(job))
    told["metadata"]["annotations"][labels.FAILED_BEFORE] = json.dumps({"reason": reason, "message": message})
    return told


def with_in_use(job: Mapping[str, Any], in_use: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Job that also knows what is in use on its claim; its hash stays that of the Job without it."""
    told = deepcopy(dict(job))
    (container,) = told["spec"]["template"]["spec"]["containers"]
    entry = {"name": Env.IN_USE.value, "value": json.dumps(in_use, sort_keys=True)}
    container["env"] = [*container["env"], entry]
    return told
