"""Who may ask a model, and references to Secrets: a part of the spec of ``GenerativeModel`` v1alpha1."""

from typing import Annotated

from pydantic import Field

from genmodel_operator.api.base import ApiModel, matches
from genmodel_operator.api.v1alpha1_network import NetworkPeer

SecretName = Annotated[
    str,
    Field(max_length=253),
    matches(
        r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?",
        "must be the name of a Secret: lower case letters, digits, '-' and '.'",
    ),
]


class SecretRef(ApiModel):
    """A whole Secret in the model's namespace."""

    name: SecretName
    """Name of the Secret."""


class SecretKeyRef(ApiModel):
    """A key of a Secret in the model's namespace."""

    name: SecretName
    """Name of the Secret."""
    key: Annotated[
        str,
        Field(max_length=253),
        matches(r"[A-Za-z0-9._-]+", "must be a key of the Secret: letters, digits, '-', '_' and '.'"),
    ] = "token"
    """Key in the Secret."""


class Access(ApiModel):
    """Who may ask the model."""

    api_keys_secret_ref: SecretRef | None = None
    """Secret each entry of which is one API key, sent by clients as Authorization: Bearer KEY; its name says whose.
    Changes are seen within two minutes, without a restart. Absent: whoever reaches the endpoint may use it."""
    allow_from: Annotated[list[NetworkPeer], Field(max_length=16)] = []
    """Pods that may ask the model, where the cluster's network enforces a NetworkPolicy; absent: all pods of the
    model's namespace. Changes count at once, without a restart."""
