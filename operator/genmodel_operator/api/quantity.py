"""Kubernetes quantities: strings such as ``12Gi`` or ``500m``, read and written in canonical form.

The API server rewrites every quantity that it stores (``1024Gi`` becomes ``1Ti``, ``0.5`` becomes
``500m``). Whoever compares a stored object with a wanted one has to want the canonical form.
"""

import re
from decimal import ROUND_CEILING, Decimal

GIB = 1024**3

_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
"""Suffix to power of 1024."""
_DECIMAL = {"n": -3, "u": -2, "m": -1, "": 0, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
"""Suffix to power of 1000."""
_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))(?:(?P<exponent>[eE][+-]?\d{1,2})|(?P<suffix>[KMGTPE]i|[numkMGTPE])?)"
)


def parse_quantity(text: str) -> Decimal:
    """Return the exact value of a quantity, in its base unit (bytes, cores, devices).

    Raises ``ValueError`` for anything that Kubernetes does not accept as a quantity.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"not a Kubernetes quantity: {text!r}")
    number = Decimal(match["number"])
    if match["exponent"]:
        return number.scaleb(int(match["exponent"][1:]))
    suffix = match["suffix"] or ""
    if suffix in _BINARY:
        return number * Decimal(1024) ** _BINARY[suffix]
    return number * Decimal(1000) ** _DECIMAL[suffix]


def canonical_quantity(text: str) -> str:
    """Return a quantity as the API server stores it; ``ValueError`` as ``parse_quantity``."""
    value = parse_quantity(text)
    if text.endswith("i") and abs(value) >= 1024:
        return _format_binary(int(value.to_integral_value(ROUND_CEILING)))
    if re.search(r"[eE][+-]?\d+$", text):
        return _format_decimal(value, exponents=True)
    return _format_decimal(value, exponents=False)


def format_gib(gib: float) -> str:
    """Return GiB as a canonical quantity, rounded up to whole MiB: 12 is ``12Gi``, 4.5 is ``4608Mi``."""
    mebibytes = (Decimal(gib) * 1024).to_integral_value(ROUND_CEILING)
    return canonical_quantity(f"{mebibytes}Mi") if mebibytes else "0"


def format_cores(cores: float) -> str:
    """Return CPU cores as a canonical quantity, rounded up to whole millicores: 0.5 is ``500m``."""
    millicores = (Decimal(str(cores)) * 1000).to_integral_value(ROUND_CEILING)
    return canonical_quantity(f"{millicores}m")


def gib_of(text: str) -> float:
    """Return a quantity of bytes in GiB; ``ValueError`` as ``parse_quantity``."""
    return float(parse_quantity(text) / GIB)


def _format_binary(value: int) -> str:
    """Write with the largest suffix that leaves a whole number."""
    power = 0
    while value and value % 1024 == 0 and power < max(_BINARY.values()):
        value //= 1024
        power += 1
    if not power:
        # Without a suffix nothing tells that it was binary, and the next reader writes it as decimal.
        return _format_decimal(Decimal(value), exponents=False)
    names = {number: suffix for suffix, number in _BINARY.items()}
    return f"{value}{names[power]}"


def _format_decimal(value: Decimal, *, exponents: bool) -> str:
    """Write with the largest power of 1000 that leaves a whole number; below nano is rounded up."""
    mantissa = int(value.scaleb(9).to_integral_value(ROUND_CEILING))
    power = -3
    while mantissa and mantissa % 1000 == 0 and power < max(_DECIMAL.values()):
        mantissa //= 1000
        power += 1
    if not mantissa:
        return "0"
    if exponents:
        return f"{mantissa}e{power * 3}" if power else str(mantissa)
    names = {number: suffix for suffix, number in _DECIMAL.items()}
    return f"{mantissa}{names[power]}"
