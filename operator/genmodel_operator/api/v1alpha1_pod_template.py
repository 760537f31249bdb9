"""The part of a pod template that a user lays over the operator's own."""

from typing import Annotated, Any

from pydantic import Field

from genmodel_operator.api.base import ApiModel

Annotations = Annotated[dict[str, Annotated[str, Field(max_length=65536)]], Field(max_length=64)]
Labels = Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=64)]


class PodTemplateMetadata(ApiModel):
    """Labels and annotations that are added to the pods."""

    labels: Labels = {}
    """Labels that are added; those of the operator stay as they are."""
    annotations: Annotations = {}
    """Annotations that are added."""


class PodTemplate(ApiModel):
    """A part of a pod template, laid over the operator's own as a strategic merge patch.

    Lists are joined by name (containers, env, volumes, imagePullSecrets), volumeMounts by mountPath and
    tolerations are added; null takes a field away (kubectl create and replace send it, kubectl apply leaves it out).
    """

    metadata: PodTemplateMetadata = PodTemplateMetadata()
    """Labels and annotations that are added to the pods."""
    spec: dict[str, Any] = {}
    """Any field of a pod's spec, as in kubectl explain pod.spec. The model's containers are prepare and server."""
