"""Scores of pairs of texts by the reference library, in a process that holds torch."""

from collections.abc import Sequence
from pathlib import Path

from tests.oracle import told_by


def reference_scores(model: Path, pairs: Sequence[tuple[str, str]], home: Path) -> list[float]:
    """Return the score of each pair by the model in a folder; ``home`` takes what the packages write."""
    return [float(score) for score in told_by("reranker.py", model, asked=list(pairs), home=home)]
