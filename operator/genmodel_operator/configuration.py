"""Reads the operator's settings from a YAML file and the environment; every mistake is named."""

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from genmodel_operator.policy.document import Policy
from genmodel_operator.policy.parse import PolicyError, parse_policy
from genmodel_operator.settings import Settings
from genmodel_operator.sizing.pools_given import contradiction

PREFIX = "GENMODEL_OPERATOR_"
FILE_VARIABLE = f"{PREFIX}CONFIG"

_SERVICE_LINK = re.compile(r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$")
"""Variables that a kubelet adds for each Service of the namespace, ours among them."""

_Path = tuple[str, ...]


class ConfigurationError(Exception):
    """The settings cannot be used; the message names each variable or key, its value and what is allowed."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings of the file named by GENMODEL_OPERATOR_CONFIG, overridden by the environment.

    ``GENMODEL_OPERATOR_HUB__ENDPOINT`` overrides ``hub.endpoint``; lists are JSON or comma separated.
    Raises ``ConfigurationError``.
    """
    values, sources = _read_file(environ.get(FILE_VARIABLE))
    problems = [*_unknown_keys(values, sources), *_unknown_variables(environ)]
    for variable, path, field in _known_variables(environ):
        sources[path] = variable
        _put(values, path, _parse(environ[variable], field))
    if problems:
        raise ConfigurationError(problems)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError([_describe(detail, sources) for detail in error.errors()]) from error
    if settings.policy_file and settings.policy != Policy():
        given = next(source for path, source in sources.items() if path[0] == "policy" and len(path) > 1)
        raise ConfigurationError([f"{given}: policy_file={settings.policy_file} holds the policy; set one of the two"])
    if not settings.policy_file and (wrong := contradiction(settings, settings.policy)):
        raise ConfigurationError([f"policy.{wrong}"])
    return settings


def load_with_policy(environ: Mapping[str, str]) -> Settings:
    """Return the settings as ``load_settings``, with the policy that is in their file now: for a command, which ends.

    Raises ``ConfigurationError``.
    """
    settings = load_settings(environ)
    if not settings.policy_file:
        return settings
    try:
        policy = parse_policy(Path(settings.policy_file).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, PolicyError) as error:
        raise ConfigurationError([f"{settings.policy_file}: {error}"]) from error
    if wrong := contradiction(settings, policy):
        raise ConfigurationError([f"{settings.policy_file}: {wrong}"])
    return settings.model_copy(update={"policy": policy})


def _read_file(name: str | None) -> tuple[dict[str, Any], dict[_Path, str]]:
    """Return the file's content and where each of its values comes from."""
    if not name:
        return {}, {}
    try:
        found = yaml.safe_load(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError([f"{FILE_VARIABLE}={name}: {error.strerror or error}"]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"{FILE_VARIABLE}={name}: not YAML: {' '.join(str(error).split())}"]) from error
    if found is None:
        return {}, {}
    if not isinstance(found, dict):
        raise ConfigurationError(
            [f"{FILE_VARIABLE}={name}: a mapping of settings is wanted, not {type(found).__name__}"]
        )
    return found, {path: f"{'.'.join(path)} in {name}" for path in _paths(found)}


def _paths(values: Mapping[Any, Any], above: _Path = ()) -> Iterator[_Path]:
    for key, value in values.items():
        yield (*above, str(key))
        if isinstance(value, dict):
            yield from _paths(value, (*above, str(key)))


def _leaves(model: type[BaseModel] = Settings, above: _Path = ()) -> Iterator[tuple[_Path, FieldInfo]]:
    """Yield the path of every single setting."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _leaves(kind, (*above, name))
        else:
            yield (*above, name), field


def _unknown_keys(values: Mapping[str, Any], sources: Mapping[_Path, str]) -> list[str]:
    known = {path[:length] for path, _ in _leaves() for length in range(1, len(path) + 1)}
    leaves = {path for path, _ in _leaves()}
    unknown = [
        path for path in _paths(values) if path not in known and not any(path[: len(leaf)] == leaf for leaf in leaves)
    ]
    tops = [path for path in unknown if path[:-1] not in unknown]
    allowed = [".".join(path) for path in sorted(known)]
    return [f"{sources[path]}: there is no such setting; {_advice('.'.join(path), allowed)}" for path in tops]


def variable_of(path: _Path) -> str:
    """Return the name of the environment variable of a setting."""
    return PREFIX + "__".join(path).upper()


def _known_variables(environ: Mapping[str, str]) -> Iterator[tuple[str, _Path, FieldInfo]]:
    for path, field in _leaves():
        if variable_of(path) in environ:
            yield variable_of(path), path, field


def _unknown_variables(environ: Mapping[str, str]) -> list[str]:
    known = [FILE_VARIABLE, *(variable_of(path) for path, _ in _leaves())]
    given = [name for name in sorted(environ) if name.startswith(PREFIX) and name not in known]
    return [
        f"{name}: there is no such setting; {_advice(name, known, prefix=PREFIX)}"
        for name in given
        if not _SERVICE_LINK.search(name)
    ]


def _advice(name: str, known: list[str], *, prefix: str = "") -> str:
    near = difflib.get_close_matches(name.removeprefix(prefix), [each.removeprefix(prefix) for each in known], n=1)
    return f"did you mean {prefix}{near[0]}?" if near else f"allowed are {', '.join(known)}"


def _parse(text: str, field: FieldInfo) -> Any:
    """Return a variable's value: maps as JSON, lists as JSON or comma separated; pydantic reads the rest from text."""
    kind = get_origin(field.annotation)
    if kind not in (list, dict):
        return text
    if kind is dict or text.lstrip().startswith("["):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return [part.strip() for part in text.split(",") if part.strip()]


def _put(values: dict[str, Any], path: _Path, value: Any) -> None:
    *sections, name = path
    for section in sections:
        inner = values.get(section)
        if not isinstance(inner, dict):
            inner = values[section] = {}
        values = inner
    values[name] = value


def _describe(detail: ErrorDetails, sources: Mapping[_Path, str]) -> str:
    path = tuple(str(part) for part in detail["loc"])
    source = next((sources[path[:length]] for length in range(len(path), 0, -1) if path[:length] in sources), None)
    allowed = detail["msg"][0].lower() + detail["msg"][1:]
    return f"{source or '.'.join(path)}: {detail['input']!r} is not allowed: {allowed}"
