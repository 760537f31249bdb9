"""When models got where they should: one run's times, and the figures over several runs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import mean, median


@dataclass(slots=True)
class Timings:
    """Seconds from the first request, per model."""

    children: dict[str, float] = field(default_factory=dict)
    pods: dict[str, float] = field(default_factory=dict)
    ready: dict[str, float] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    """Processor time that everything together took for it."""

    @property
    def waited(self) -> list[float]:
        """Seconds that each model's user waited: until Ready, where nobody says Ready until the pod is."""
        return list((self.ready or self.pods).values())

    @property
    def total(self) -> float:
        """Seconds until the last model was served."""
        return max(self.waited)


def row_of(runs: Sequence[Timings]) -> dict[str, str]:
    """Return the medians over runs: the last of each, and the spread of the one that users wait for."""
    return {
        "runs": str(len(runs)),
        "all children": seconds(_median([max(run.children.values(), default=None) for run in runs])),
        "all pods ready": seconds(_median([max(run.pods.values(), default=None) for run in runs])),
        "all Ready": seconds(_median([max(run.ready.values(), default=None) for run in runs])),
        "p50": seconds(_median([quantile(run.waited, 0.5) for run in runs])),
        "p99": seconds(_median([quantile(run.waited, 0.99) for run in runs])),
        "CPU of all per model": milliseconds(median(run.cpu_seconds / len(run.waited) for run in runs)),
    }


def times_floor(floors: Sequence[float], runs: Sequence[float]) -> float:
    """Return the median of each run's figure over the mean of the floor's right before and right after it.

    The machine is noisy: a ratio of runs that lie apart says little.
    """
    around = [mean(pair) for pair in pairwise(floors)]
    return median(run / floor for run, floor in zip(runs, around, strict=True))


def milliseconds(value_seconds: float) -> str:
    return f"{value_seconds * 1000:.0f} ms"


def seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the value below which a share of the values lies; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def lines_of(rows: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Yield a table: a line per figure, a column per run."""
    figures = list(dict.fromkeys(figure for row in rows.values() for figure in row))
    first = max(map(len, figures), default=0)
    widths = {name: max(len(name), *map(len, row.values()), 1) for name, row in rows.items()}
    yield " " * first + "".join(f"  {name:>{widths[name]}}" for name in rows)
    for figure in figures:
        yield f"{figure:<{first}}" + "".join(f"  {row.get(figure, '-'):>{widths[name]}}" for name, row in rows.items())


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
