"""From a text to a policy, or to what is wrong with it, by the name of the key."""

import difflib
import json

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from genmodel_operator.policy.document import Policy

_NO_KEYS = {
    "formats": "only safetensors files are served, whatever a policy says: plans stand on the sizes in their headers",
}
"""What one may look for, and why it is not there."""


class PolicyError(ValueError):
    """The document is no policy; ``problems`` names each key and what is allowed."""

    def __init__(self, problems: list[str]) -> None:
        """Take one sentence for each problem."""
        self.problems = problems
        super().__init__("; ".join(problems))


def parse_policy(text: str) -> Policy:
    """Return the policy of a YAML document with keys in camelCase; raises ``PolicyError``."""
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise PolicyError([f"not YAML: {' '.join(str(error).split())}"]) from error
    if found is None:
        raise PolicyError(["the document is empty; {} is a policy that restricts nothing"])
    if not isinstance(found, dict):
        raise PolicyError([f"a mapping is wanted, not {type(found).__name__}"])
    try:
        # Strict, so that "false" in quotes is no bool; of JSON, so that names of classes are read.
        return Policy.model_validate_json(json.dumps(found, default=str), strict=True)
    except ValidationError as error:
        raise PolicyError([_words(detail) for detail in error.errors(include_url=False)]) from error


def _words(detail: ErrorDetails) -> str:
    key = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{key}: there is no such key{_advice(detail)}"
    message = detail["msg"].removeprefix("Value error, ")
    allowed = message[0].lower() + message[1:]
    return f"{key}: {json.dumps(detail['input'], default=str)[:100]} is not allowed: {allowed}"


def _advice(detail: ErrorDetails) -> str:
    if len(detail["loc"]) != 1:
        return ""
    if (name := str(detail["loc"][0])) in _NO_KEYS:
        return f": {_NO_KEYS[name]}"
    known = [field.alias or name for name, field in Policy.model_fields.items()]
    near = difflib.get_close_matches(str(detail["loc"][0]), known, n=1)
    return f"; did you mean {near[0]}?" if near else f"; allowed are {', '.join(known)}"
