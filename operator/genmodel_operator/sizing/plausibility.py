"""Whether a measured figure is to be believed, and how far the estimate was from it. Pure.

A figure is refused where it is impossible (negative, no number, above the memory of the device) or
further from the estimate than any known effect takes it.
"""

import math
from dataclasses import dataclass, replace

from genmodel_operator.sizing.corrections import KV_CACHE, Figures, Measurement
from genmodel_operator.sizing.memory import GIB

WEIGHTS_FACTOR = 2.0
"""Padding, copies and untied embeddings of small models take up to 1.6 times the files; what is
skipped (drafts for speculation) never was half of them."""
ACTIVATION_FACTOR = 4.0
"""Logged peaks were within four times of the estimate where they were above 1 GiB."""
TOKENS_FACTOR = 2.0
"""Grouping of hybrid layers is off by less than this; more means another cache than was planned."""
SLACK_GIB = 0.5
"""A difference of this much is always believed: a factor means little for small figures."""
OUTSIDE_SHARE, OUTSIDE_LEAST_GIB = 0.1, 8.0
"""Memory outside torch, and graphs, took up to 7.2 GiB on 80 GiB and 8.6 on 277: at most the larger of these."""
_ROUNDING_GIB = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a plan says of one device; ``kv_tokens`` are those of its whole cache."""

    total_gib: float
    weights_gib: float
    activation_gib: float
    kv_tokens: int


@dataclass(frozen=True, slots=True)
class Error:
    """How far an estimate was from what was measured; ``gib`` below 0: too little was estimated."""

    figure: str
    estimated_gib: float
    measured_gib: float

    @property
    def gib(self) -> float:
        """The difference."""
        return self.estimated_gib - self.measured_gib

    @property
    def relative(self) -> float:
        """The difference as a share of what was measured; infinite where nothing was."""
        return self.gib / self.measured_gib if self.measured_gib else math.copysign(math.inf, self.gib)


def believable(figures: Figures, estimate: Estimate) -> tuple[Figures, tuple[str, ...]]:
    """Return the figures without those that cannot be believed, and for each of these the rule."""
    rules = {
        "weights_gib": _why_not(figures.weights_gib, estimate.weights_gib, estimate, WEIGHTS_FACTOR),
        "activation_gib": _why_not(figures.activation_gib, estimate.activation_gib, estimate, ACTIVATION_FACTOR),
        "non_torch_gib": _why_not_outside(figures.non_torch_gib, estimate),
        "cuda_graph_gib": _why_not_outside(figures.cuda_graph_gib, estimate),
        "kv_tokens": _why_no_tokens(figures, estimate),
    }
    refused = {name: why for name, why in rules.items() if why}
    kept = Figures(
        weights_gib=None if "weights_gib" in refused else figures.weights_gib,
        activation_gib=None if "activation_gib" in refused else figures.activation_gib,
        non_torch_gib=None if "non_torch_gib" in refused else figures.non_torch_gib,
        cuda_graph_gib=None if "cuda_graph_gib" in refused else figures.cuda_graph_gib,
    )
    if "kv_tokens" not in refused:
        cache = (figures.kv_tokens, figures.kv_cache_bytes, figures.max_model_len)
        kept = replace(kept, kv_tokens=cache[0], kv_cache_bytes=cache[1], max_model_len=cache[2])
    said = tuple(f"{name} {getattr(figures, name)}: {why}" for name, why in refused.items())
    excess = _taken_gib(kept) - estimate.total_gib
    if excess > _ROUNDING_GIB:
        return Figures(), (*said, f"together they are {excess:.2f} GiB more than the device has")
    return kept, said


def _why_not(measured_gib: float | None, estimated_gib: float, estimate: Estimate, factor: float) -> str:
    """Return the rule that a figure breaks, or nothing."""
    if measured_gib is None:
        return ""
    impossible = _why_impossible(measured_gib, estimate)
    if impossible:
        return impossible
    low, high = estimated_gib / factor - SLACK_GIB, estimated_gib * factor + SLACK_GIB
    if low <= measured_gib <= high:
        return ""
    return f"estimated were {estimated_gib:.2f} GiB, and nothing known explains more than {factor:g} times or less"


def _why_not_outside(measured_gib: float | None, estimate: Estimate) -> str:
    if measured_gib is None:
        return ""
    most = max(OUTSIDE_LEAST_GIB, OUTSIDE_SHARE * estimate.total_gib)
    return _why_impossible(measured_gib, estimate) or (f"more than {most:.1f} GiB" if measured_gib > most else "")


def _why_impossible(measured_gib: float, estimate: Estimate) -> str:
    if not math.isfinite(measured_gib):
        return "no number"
    if measured_gib < 0:
        return "less than nothing"
    return "more than the device has" if measured_gib > estimate.total_gib + _ROUNDING_GIB else ""


def _why_no_tokens(figures: Figures, estimate: Estimate) -> str:
    """Return why the cache is not believed; all three of its figures go together."""
    if figures.kv_tokens is None:
        return ""
    if not figures.kv_cache_bytes or not figures.max_model_len or estimate.kv_tokens <= 0:
        return "of a cache that was not planned"
    if figures.kv_tokens <= 0:
        return "less than one"
    ratio = figures.kv_tokens / estimate.kv_tokens
    if 1 / TOKENS_FACTOR <= ratio <= TOKENS_FACTOR:
        return ""
    return f"planned were {estimate.kv_tokens}, and nothing known explains more than {TOKENS_FACTOR:g} times or less"


def _taken_gib(figures: Figures) -> float:
    parts = (figures.weights_gib, figures.activation_gib, figures.non_torch_gib, figures.cuda_graph_gib)
    return sum(part or 0.0 for part in parts) + (figures.kv_cache_bytes or 0) / GIB


def errors(figures: Figures, estimate: Estimate, *, measured_before: tuple[str, ...] = ()) -> list[Error]:
    """Return how far the plan's estimates were off; ``measured_before`` names figures that were none."""
    found = []
    if figures.weights_gib is not None:
        found.append(Error("weights", estimate.weights_gib, figures.weights_gib))
    if figures.activation_gib is not None:
        found.append(Error("activation", estimate.activation_gib, figures.activation_gib))
    if figures.kv_tokens and figures.kv_cache_bytes and estimate.kv_tokens > 0:
        # Of the tokens that were really there: what they take, and what the plan thought they would.
        real_gib = figures.kv_cache_bytes / GIB
        found.append(Error(KV_CACHE, real_gib * figures.kv_tokens / estimate.kv_tokens, real_gib))
    return [error for error in found if error.figure not in measured_before]


def merged(known: Measurement | None, new: Measurement) -> Measurement:
    """Return what is kept of two measurements of one kind of server; ``known`` itself where nothing differs.

    Weights and cache follow from the key: where they differ, something changed that the key does not
    show (an image rebuilt under its name), and the newest is right. The others vary between starts:
    with a cold compile cache a start takes up to 1 GiB more, and the plan must hold then, so the largest is kept.
    """
    if known is None:
        return new
    before, now = known.figures, new.figures
    figures = Figures(
        weights_gib=before.weights_gib if now.weights_gib is None else now.weights_gib,
        activation_gib=_larger(before.activation_gib, now.activation_gib),
        non_torch_gib=_larger(before.non_torch_gib, now.non_torch_gib),
        cuda_graph_gib=_larger(before.cuda_graph_gib, now.cuda_graph_gib),
        kv_tokens=before.kv_tokens if now.kv_tokens is None else now.kv_tokens,
        kv_cache_bytes=before.kv_cache_bytes if now.kv_tokens is None else now.kv_cache_bytes,
        max_model_len=before.max_model_len if now.kv_tokens is None else now.max_model_len,
    )
    return known if figures == before else replace(new, figures=figures)


def _larger(first: float | None, second: float | None) -> float | None:
    known = [value for value in (first, second) if value is not None]
    return max(known, default=None)
