"""Where weights live: the part of the spec that names or asks for a claim."""

from typing import Annotated, ClassVar

from pydantic import Field

from genmodel_operator.api.base import ApiModel, Rule, matches

OBJECT_NAME = r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?"


class ClaimCache(ApiModel):
    """A PersistentVolumeClaim in the model's namespace: one that exists, or one that the operator creates."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.claimName) || (!has(self.storageClassName) && !has(self.size))",
            "claimName is a claim that exists, storageClassName and size are for one that the operator creates; "
            "set claimName alone, or leave it out",
            lambda it: it.claim_name is None or (it.storage_class_name is None and it.size is None),
        ),
    )

    claim_name: (
        Annotated[
            str,
            Field(max_length=253),
            matches(OBJECT_NAME, "must be the name of a claim: lower case letters, digits, '-' and '.'"),
        ]
        | None
    ) = None
    """A claim that exists; absent: the operator creates one, named after the model with -weights at the end, and
    leaves it when the model is deleted."""
    storage_class_name: (
        Annotated[
            str,
            Field(max_length=253),
            matches(OBJECT_NAME, "must be the name of a StorageClass; see kubectl get storageclasses"),
        ]
        | None
    ) = None
    """StorageClass of the claim that is created; absent: the cluster's default."""
    size: (
        Annotated[
            str,
            Field(max_length=32),
            matches(r"[1-9][0-9]*([.][0-9]+)?([KMGTP]i|[kMGTP])?", "must be a size such as 100Gi"),
        ]
        | None
    ) = None
    """Size of the claim that is created; absent: room for the weights of two commits."""


class Cache(ApiModel):
    """Where weights live."""

    persistent_volume_claim: ClaimCache | None = None
    """On a volume that all replicas share and that outlives them: downloaded once for each commit, by a Job."""
