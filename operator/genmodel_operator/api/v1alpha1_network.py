"""Who may reach a model's pods: selectors as in a NetworkPolicy."""

import re
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from genmodel_operator.api.base import ApiModel, Rule, matches

_VALUE = r"([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?"
_KEY = r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_KEY_MESSAGE = "must be the key of a label, such as app or kubernetes.io/metadata.name"
_VALUE_MESSAGE = "must be the value of a label: letters, digits, '-', '_' and '.', at most 63"

LabelValue = Annotated[str, Field(max_length=63), matches(_VALUE, _VALUE_MESSAGE)]


class SelectorOperator(StrEnum):
    """How a label is compared."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class SelectorRequirement(ApiModel):
    """One condition on a label."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
            "operators In and NotIn need values, Exists and DoesNotExist have none",
            lambda it: (it.operator in (SelectorOperator.IN, SelectorOperator.NOT_IN)) == bool(it.values),
        ),
    )

    key: Annotated[str, Field(max_length=317), matches(_KEY, _KEY_MESSAGE)]
    """Key of the label."""
    operator: SelectorOperator
    """In and NotIn compare with values; Exists and DoesNotExist only ask for the key."""
    values: Annotated[list[LabelValue], Field(max_length=16)] = []
    """Values for In and NotIn."""


class LabelSelector(ApiModel):
    """Chooses by labels; an empty one chooses all."""

    match_labels: Annotated[
        dict[str, LabelValue],
        Field(max_length=16),
        Rule(
            f"self.all(key, key.matches(r'^(?:{_KEY})$'))",
            f"each key {_KEY_MESSAGE}",
            lambda it: all(re.fullmatch(_KEY, key, re.ASCII) for key in it),
        ),
    ] = {}
    """Labels that must be there, all of them."""
    match_expressions: Annotated[list[SelectorRequirement], Field(max_length=8)] = []
    """Conditions that must hold, all of them."""


class NetworkPeer(ApiModel):
    """Pods that may ask the model."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.namespaceSelector) || has(self.podSelector)",
            "each entry of allowFrom needs namespaceSelector, podSelector or both; {} as a selector chooses all",
            lambda it: it.namespace_selector is not None or it.pod_selector is not None,
        ),
    )

    namespace_selector: LabelSelector | None = None
    """Namespaces of the pods; absent: the model's own. Example: {matchLabels: {kubernetes.io/metadata.name: web}}"""
    pod_selector: LabelSelector | None = None
    """Pods in these namespaces; absent: all."""
