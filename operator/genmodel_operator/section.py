"""Bases of everything that a platform team writes: strict, immutable, documented by its docstrings."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Section(BaseModel):
    """Base of all sections: strict and immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Described(Section):
    """Base of what is written in camelCase, as in Kubernetes' own objects."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)
