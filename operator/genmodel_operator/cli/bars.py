"""Bars of memory: each part begins where the one before it ends, so that together they fill the device."""

from genmodel_operator.api.v1alpha1 import MemoryBreakdown
from genmodel_operator.cli.terminal import Style

_LABEL = 13
_FIGURES = 17
"""Columns of ``123.45 GiB  12 %``, with a space before it."""
_LEAST_BAR = 10
_COLOURS = {"weights": "34", "KV cache": "32", "activation": "35", "overhead": "33", "margin, free": "90"}


def memory_bars(memory: MemoryBreakdown, style: Style, *, device: str) -> list[str]:
    """Return a line per part and one for the total, no wider than the style."""
    parts = {
        "weights": memory.weights_gib,
        "KV cache": memory.kv_cache_gib,
        "activation": memory.activation_gib,
        "overhead": memory.overhead_gib,
        "margin, free": memory.margin_gib,
    }
    width = max(_LEAST_BAR, style.width - 3 - _LABEL - _FIGURES)
    lines, before = [], 0.0
    for name, gib in parts.items():
        bar = _bar(before, gib, memory.total_gib, width, style)
        before += gib
        share = round(100 * gib / memory.total_gib) if memory.total_gib else 0
        shown = f"\033[{_COLOURS[name]}m{bar}\033[0m" if style.colour and bar.strip() else bar
        lines.append(f"  {name:<{_LABEL}}{shown}{' ' * (width - len(bar))} {gib:6.2f} GiB {share:3} %")
    lines.append(f"  {device:<{_LABEL}}{' ' * width} {memory.total_gib:6.2f} GiB")
    return lines


def _bar(before: float, part: float, total: float, width: int, style: Style) -> str:
    """Return the bar of one part; what is there is seen, however small."""
    if total <= 0 or part <= 0:
        return ""
    full, thin = ("\N{FULL BLOCK}", "\N{LEFT ONE QUARTER BLOCK}") if style.unicode else ("#", "|")
    start = min(round(width * before / total), width - 1)
    end = min(round(width * (before + part) / total), width)
    return " " * start + (full * (end - start) if end > start else thin)
