"""Results of benchmarks and long tests, kept in the repository with the machine that gave them."""

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def keep(name: str, rows: Mapping[str, Mapping[str, str]]) -> None:
    """Write the rows to ``bench/results/<name>.json``."""
    document = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "rows": rows,
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n")
