"""The accuracy table: median, nine tenths, worst and number, by what is known of a row."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from bench.record import as_tables
from bench.sizing.compare import Compared, compare_all
from bench.sizing.peers import PEERS
from bench.sizing.rows import Row, read_rows

Table = dict[str, dict[str, str]]
_FIGURES: tuple[tuple[str, str, Callable[[Compared], float | None]], ...] = (
    ("weights", "%", lambda row: row.weights),
    ("KV cache", "GiB", lambda row: row.kv_gib),
    ("KV tokens, end to end", "%", lambda row: row.tokens),
    ("KV tokens of the logged GiB", "%", lambda row: row.blocks),
    ("activation", "GiB", lambda row: row.activation_gib),
)
_MECHANISMS = ("dense", "MoE", "MLA", "compressed attention", "hybrid", "state", "quantised", "vision", "TP", "PP")
_WEIGHTS_NEED = {"tensor_parallel_size"}
_BLOCKS_NEED = {"tensor_parallel_size", "vllm_version", "draft model", "layers of each stage"}


def main() -> Table:
    """Print the tables and return them."""
    rows = read_rows()
    table = report(rows, compare_all(rows))
    print("\n".join(as_tables(table)))
    return table


def report(rows: list[Row], compared: list[Compared]) -> Table:
    """Return the tables by their title."""
    current = [row for row in compared if row.refusal is None]
    exact = [row for row in current if row.row.is_exact]
    return {
        "rows": _counts(rows, compared),
        **_accuracy("exact configuration, inputs known", exact, wants_known=True),
        **_accuracy("exact configuration, inputs open", exact, wants_known=False),
        **_accuracy(
            "configuration partly from memory", [row for row in current if not row.row.is_exact], wants_known=None
        ),
        **_verdicts(exact, "exact configuration"),
        **_verdicts([row for row in current if not row.row.is_exact], "configuration partly from memory"),
        "wrong verdicts": {row.row.id: _why_wrong(row) for row in current if row.verdict is False},
        "rows of each mechanism, exact configuration": _mechanism_rows(exact),
        **_by_mechanism(exact),
        **_peers(exact),
        "inputs that rows leave open": {name: str(n) for name, n in Counter(_open(rows)).most_common()},
        "not answered": {row.row.id: row.refusal for row in compared if row.refusal is not None},
    }


def is_known(row: Compared, figure: str) -> bool:
    """Whether the row states every input that changes the figure."""
    opened = set(row.row.open_inputs)
    if figure != "verdict" and not {"hybrid", "state"} & set(row.row.mechanisms):
        opened -= {"max_model_len"}
    if figure == "weights":
        return not opened & _WEIGHTS_NEED
    if figure == "KV tokens of the logged GiB":
        sizes = _BLOCKS_NEED | ({"max_num_batched_tokens"} if {"hybrid", "state"} & set(row.row.mechanisms) else set())
        return not opened & sizes
    return not opened


def errors(rows: Iterable[Compared], figure: str, *, wants_known: bool | None = True) -> list[tuple[float, str]]:
    """Return the absolute errors of a figure with the rows' ids, smallest first; ``None`` takes rows of both kinds."""
    read = next(read for name, _, read in _FIGURES if name == figure)
    found = [
        (abs(error), row.row.id) for row in rows if _fits(row, figure, wants_known) and (error := read(row)) is not None
    ]
    return sorted(found)


def quantile(values: list[tuple[float, str]], share: float) -> float:
    """Return the smallest error that so large a share of the rows does not exceed."""
    return values[max(0, -(-int(share * 1000) * len(values) // 1000) - 1)][0]


def _fits(row: Compared, figure: str, wants_known: bool | None) -> bool:  # noqa: FBT001 - three answers, not a switch
    return wants_known is None or is_known(row, figure) == wants_known


def _counts(rows: list[Row], compared: list[Compared]) -> dict[str, str]:
    kinds = Counter(row.logged.outcome == "ok" for row in rows)
    return {
        "all": str(len(rows)),
        "started": str(kinds[True]),
        "refused": str(kinds[False]),
        "before 0.8 or another engine": str(sum(row.is_old for row in rows)),
        "of a model without configuration": str(sum(row.request is None and not row.is_old for row in rows)),
        "estimated": str(len(compared)),
        "of these with an exact configuration": str(sum(row.row.is_exact for row in compared)),
        "of these with all inputs": str(sum(row.row.is_exact and not row.row.open_inputs for row in compared)),
    }


def _accuracy(title: str, rows: list[Compared], *, wants_known: bool | None) -> Table:
    return {
        f"{name}, {title}": _spread(errors(rows, name, wants_known=wants_known), unit) for name, unit, _ in _FIGURES
    }


def _spread(found: list[tuple[float, str]], unit: str) -> dict[str, str]:
    if not found:
        return {"rows": "0"}
    worst, where = found[-1]
    figures = {"median": quantile(found, 0.5), "p90": quantile(found, 0.9), "worst": worst}
    shown = {name: f"{100 * value:.2f} %" if unit == "%" else f"{value:.2f} {unit}" for name, value in figures.items()}
    return {"rows": str(len(found)), **shown, "worst in": where}


def _verdicts(rows: list[Compared], title: str) -> Table:
    """Return how many starts and how many refusals were foreseen, with known and with open inputs."""
    tables: Table = {}
    for started, name in ((True, "starts"), (False, "refused starts")):
        judged = judged_rows(rows, started=started)
        known = judged_rows(rows, started=started, wants_known=True)
        tables[f"verdict on {name}, {title}"] = {
            "right": _share(judged),
            "right with all inputs known": _share(known),
            "wrong": " ".join(row.row.id for row in judged if not row.verdict) or "none",
        }
    return tables


def _why_wrong(row: Compared) -> str:
    """Return what was logged and estimated of a row, and which inputs it leaves open."""
    estimated = "starts" if row.reason is None else row.reason
    opened = ", ".join(row.row.open_inputs) or "nothing"
    return f"logged {row.row.logged.outcome}, estimated {estimated}; the row leaves open: {opened}"


def _mechanism_rows(rows: list[Compared]) -> dict[str, str]:
    """Return how many rows each mechanism has, and how many of them compare weights and cache with all inputs known."""
    tables = {}
    for mechanism in _MECHANISMS:
        those = [row for row in rows if mechanism in row.row.mechanisms]
        weights, cache = len(errors(those, "weights")), len(errors(those, "KV cache"))
        tables[mechanism] = f"{len(those)} rows, {weights} with weights, {cache} with a cache of known inputs"
    return tables


def judged_rows(rows: Iterable[Compared], *, started: bool, wants_known: bool | None = None) -> list[Compared]:
    """Return the rows with a verdict that started, or that did not; of a wrong layout no other input matters."""
    judged = (row for row in rows if row.verdict is not None and row.started is started)
    invalid = "invalid_tp"
    return [row for row in judged if row.row.logged.outcome == invalid or _fits(row, "verdict", wants_known)]


def _share(rows: list[Compared]) -> str:
    return f"{sum(bool(row.verdict) for row in rows)} of {len(rows)}"


def _by_mechanism(rows: list[Compared]) -> Table:
    tables: Table = {}
    for mechanism in _MECHANISMS:
        those = [row for row in rows if mechanism in row.row.mechanisms]
        for name, unit, _ in _FIGURES:
            found = errors(those, name)
            if found:
                tables[f"{mechanism}: {name}"] = _spread(found, unit)
    return tables


def _peers(rows: list[Compared]) -> Table:
    """Return the peers' errors of the cache's memory on the rows that have all of it, and how many promise too much."""
    known = [row for row in rows if row.kv_gib is not None and row.peers is not None and is_known(row, "KV cache")]
    ours = {"genmodel": [(row.kv_gib or 0.0, row.row.id) for row in known]}
    theirs = {name: [((row.peers or {})[name], row.row.id) for row in known] for name in PEERS}
    return {
        f"KV cache memory, {name}": {
            **_spread(sorted((abs(error), where) for error, where in found), "GiB"),
            "promises 0.25 GiB too much": f"{sum(error > 0.25 for error, _ in found)} times",
        }
        for name, found in {**ours, **theirs}.items()
    }


def _open(rows: Iterable[Row]) -> Iterator[str]:
    for row in rows:
        if row.request is not None:
            yield from row.open_inputs
