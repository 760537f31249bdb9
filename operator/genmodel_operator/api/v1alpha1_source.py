"""Where a model's files come from: a Hub, or a claim that its user filled."""

from typing import Annotated, ClassVar

from pydantic import Field

from genmodel_operator.api.base import ApiModel, Rule, lacks, matches
from genmodel_operator.api.v1alpha1_access import SecretKeyRef
from genmodel_operator.api.v1alpha1_cache import OBJECT_NAME

_FOLDER = "[A-Za-z0-9_.@+=-]+"


class HubSource(ApiModel):
    """A Hugging Face Hub, or a server that speaks its protocol."""

    endpoint: (
        Annotated[
            str,
            Field(max_length=512),
            matches(
                r"https?://[A-Za-z0-9._-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~%/-]*)?",
                "must be an address such as https://huggingface.co or http://hub.mirror.svc:8080, "
                "without user and password; a token belongs into tokenSecretRef",
            ),
        ]
        | None
    ) = None
    """Base URL of the Hub; absent: the operator's default. Example: http://hub.mirror.svc:8080"""
    token_secret_ref: SecretKeyRef | None = None
    """Access token for gated and private repositories; absent: the Secret genmodel-hub-token, if there is one."""


class ClaimSource(ApiModel):
    """A PersistentVolumeClaim in the model's namespace that its user filled; it is only ever read."""

    claim_name: Annotated[
        str,
        Field(max_length=253),
        matches(OBJECT_NAME, "must be the name of a claim: lower case letters, digits, '-' and '.'"),
    ]
    """The claim; everybody must be able to read the files on it."""
    path: (
        Annotated[
            str,
            Field(max_length=512),
            matches(
                f"{_FOLDER}(/{_FOLDER})*",
                "must be a folder's path on the volume without '/' at its start or end, such as llama/v3",
            ),
            lacks("..", "must be a path without '..' below the volume's root, such as llama/v3"),
        ]
        | None
    ) = None
    """The folder on the volume that holds config.json and the safetensors files; absent: the volume's root."""

    @property
    def words(self) -> str:
        """How messages call the folder with the model's files."""
        claim = f"the claim {self.claim_name}"
        return f"the folder {self.path} of {claim}" if self.path else claim


class Source(ApiModel):
    """Where the model's files come from."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.hub) || !has(self.persistentVolumeClaim)",
            "hub and persistentVolumeClaim are two places for the same files; leave one of them out",
            lambda it: it.hub is None or it.persistent_volume_claim is None,
        ),
    )

    hub: HubSource | None = None
    """From a Hugging Face Hub; absent: the operator's default Hub."""
    persistent_volume_claim: ClaimSource | None = None
    """From a volume that is filled already; no Hub is asked for anything. The files are read again when the spec
    changes, or when the annotation genmodel.dev/update does."""
