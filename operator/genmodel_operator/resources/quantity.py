"""Kubernetes quantities in the form in which the API server gives them back.

What we wrote is compared with what is stored, so each quantity must be written as the server would.
"""

from decimal import Decimal, InvalidOperation
from math import ceil

_BINARY = ("Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = {"m": Decimal("0.001"), "": Decimal(1), "k": Decimal(1000)}


def gib(value: float) -> str:
    """Return an amount of memory given in GiB, rounded up to whole MiB: ``16Gi``, ``5632Mi``, ``2Ti``."""
    amount = ceil(round(value * 1024, 6))
    if amount <= 0:
        raise ValueError(f"{value} GiB is not an amount of memory")
    index = 0
    while amount % 1024 == 0 and index < len(_BINARY) - 1:
        amount //= 1024
        index += 1
    return f"{amount}{_BINARY[index]}"


def cores(text: str) -> str:
    """Return a number of CPU cores as the server writes it: ``2000m`` is ``2``, ``0.5`` is ``500m``.

    Raises ``ValueError`` where the text is no positive quantity of at least 1m.
    """
    suffix = text[-1:] if text[-1:] in ("m", "k") else ""
    try:
        value = Decimal(text.removesuffix(suffix)) * _DECIMAL[suffix]
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is not a number of CPU cores") from error
    if not value.is_finite() or value <= 0:
        raise ValueError(f"{text!r} is not a number of CPU cores")
    return _milli(ceil(value * 1000))


def _milli(amount: int) -> str:
    if amount % 1000:
        return f"{amount}m"
    return count(amount // 1000)


def count(amount: int) -> str:
    """Return a whole number, such as a number of devices: ``8``, ``2k``."""
    if amount >= 1000 and amount % 1000 == 0:
        return f"{amount // 1000}k"
    return str(amount)
