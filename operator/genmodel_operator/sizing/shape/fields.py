"""Reading one value of a configuration: where it may be, what it may be, and what is said otherwise."""

from collections.abc import Iterable, Mapping
from typing import Any

from genmodel_operator.sizing.shape.model import Unsizable

MISSING, INVALID = "MissingConfigField", "InvalidRequest"

_LIMITS = {
    "layers": 10_000,
    "heads": 100_000,
    "size": 100_000_000,
    "positions": 4_000_000_000,
}
"""Beyond these no model exists: such a number is a mistake, or an attack on the arithmetic."""


_LARGEST_SHOWN = 10**40

_SKELETON = ("hidden_size", "num_hidden_layers", "num_attention_heads")


class Fields:
    """The values of a configuration, the innermost part first, then what is around it, then the class defaults.

    A field that is there with the value null counts as said: it is none.
    """

    def __init__(self, parts: Iterable[Mapping[str, Any]], defaults: Mapping[str, Any], *, is_nested: bool) -> None:
        """Take the parts in the order in which they win, and whether the first is a part of a larger configuration.

        Transformers leaves fields that equal the class default out of nested parts only, so that a
        size that is absent at the top is a mistake, and in a part is the default.
        """
        self.parts = tuple(parts)
        self.defaults = defaults
        self.is_nested = is_nested

    def says(self, *names: str) -> bool:
        """Whether the configuration itself has one of the fields, with another value than null."""
        return any(part.get(name) is not None for part in self.parts for name in names)

    def get(self, *names: str) -> Any:
        """Return the first value under any of the names; the class default where none is there; else None."""
        found = False
        for part in self.parts:
            for name in names:
                if part.get(name) is not None:
                    return part[name]
                found = found or name in part
        if found:
            return None
        return next((self.defaults[name] for name in names if self.defaults.get(name) is not None), None)

    def stated(self, *names: str) -> Any:
        """Return the first value that the configuration itself has, whatever the class default is."""
        return next((part[name] for part in self.parts for name in names if part.get(name) is not None), None)

    def name_of(self, *names: str) -> str:
        """Return the name under which the value was found, the first where it was not."""
        return next((name for part in self.parts for name in names if part.get(name) is not None), names[0])

    def number(self, *names: str, limit: str = "size", least: int = 1) -> int | None:
        """Return a whole number, None where it is absent. Raises ``Unsizable`` where it is none, or absurd."""
        value = self.get(*names)
        return None if value is None else whole(value, self.name_of(*names), limit=limit, least=least)

    def required(self, *names: str, limit: str = "size", least: int = 1) -> int:
        """Return a whole number that must be there; raises ``Unsizable`` naming the field."""
        value = self.number(*names, limit=limit, least=least)
        if value is None:
            raise missing(names[0])
        return value

    def believable(self, *names: str) -> Any:
        """Return a value whose class default is believed only where the class's own model is described.

        That is in a nested part, or where every size of the skeleton that is said is the class's.
        """
        if self.says(*names) or self.is_nested or self._is_the_classes_own():
            return self.get(*names)
        return None

    def _is_the_classes_own(self) -> bool:
        said = [(self.stated(name), self.defaults.get(name)) for name in _SKELETON if self.says(name)]
        return len(said) == len(_SKELETON) and all(value == default for value, default in said)

    def size(self, *names: str, limit: str = "size") -> int:
        """Return a size without which nothing is known: absent at the top it is missing, whatever the class says."""
        if not self.is_nested and not self.says(*names):
            raise missing(names[0])
        return self.required(*names, limit=limit)

    def flag(self, *names: str, otherwise: bool = False) -> bool:
        """Return a switch."""
        value = self.get(*names)
        if value is None:
            return otherwise
        if not isinstance(value, bool):
            raise invalid(self.name_of(*names), value, "true or false")
        return value

    def mapping(self, *names: str) -> Mapping[str, Any]:
        """Return an object; empty where it is absent."""
        value = self.get(*names)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise invalid(self.name_of(*names), value, "an object")
        return value

    def items(self, *names: str) -> list[Any] | None:
        """Return a list; None where it is absent."""
        value = self.get(*names)
        if value is None:
            return None
        if not isinstance(value, list | tuple):
            raise invalid(self.name_of(*names), value, "a list")
        return list(value)


def whole(value: object, name: str, *, limit: str = "size", least: int = 1) -> int:
    """Return a whole number within its limits; raises ``Unsizable`` with the field and the value."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid(name, value, "a whole number")
    if not least <= value <= _LIMITS[limit]:
        raise invalid(name, value, f"a number from {least} to {_LIMITS[limit]}")
    return value


def missing(name: str) -> Unsizable:
    """Return the refusal for a field that is not there."""
    return Unsizable(MISSING, f"config.json has no {name}; without it the memory cannot be computed: add it")


def invalid(name: str, value: object, wanted: str) -> Unsizable:
    """Return the refusal for a value that cannot be."""
    is_huge = isinstance(value, int) and abs(value) > _LARGEST_SHOWN
    shown = "a number of more than 40 digits" if is_huge else repr(value)
    return Unsizable(
        INVALID,
        f"{name} in config.json is {shown if len(shown) <= 80 else shown[:77] + '...'}, not {wanted}: correct it",
    )


def contradiction(message: str) -> Unsizable:
    """Return the refusal for fields that exclude each other."""
    return Unsizable(INVALID, f"{message}: correct config.json")
