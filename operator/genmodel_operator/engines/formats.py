"""What tells by a model's facts in which format it writes, so that the engine's parser of that format can be named.

Names of parsers are those of vLLM 0.32.0. A format that is not certain is not named: a parser of another one
takes answers for what they are not.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from genmodel_operator.hub.facts import ModelFacts


@dataclass(frozen=True, slots=True)
class WrittenFormat:
    """One way in which models write something.

    Attributes:
        parser: the engine's parser that reads it.
        marks: what every chat template of this format holds.
        architectures: beginnings of the architectures that write it; any where empty.
        token: what the tokenizer must know as one token; without it the parser breaks every chat.
        pattern: what a place of the template must look like; any where empty.

    """

    parser: str
    marks: tuple[str, ...]
    architectures: tuple[str, ...] = ()
    token: str = ""
    pattern: str = ""

    def is_of(self, facts: ModelFacts) -> bool:
        """Return whether the model writes so."""
        template = facts.chat_template
        of_architecture = not self.architectures or facts.architecture.startswith(self.architectures)
        knows_token = not self.token or self.token in facts.added_tokens
        looks_so = not self.pattern or re.search(self.pattern, template) is not None
        return of_architecture and knows_token and looks_so and all(mark in template for mark in self.marks)


def parser_of(formats: Iterable[WrittenFormat], facts: ModelFacts) -> str | None:
    """Return the parser of the first format that the model writes, None where it writes none of them."""
    return next((one.parser for one in formats if one.is_of(facts)), None)
