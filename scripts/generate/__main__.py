"""Write the generated files, or with ``--check`` name those that are not current (exit code 1)."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.generate.outputs import ROOT, outputs


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file is not current")
    is_check = parser.parse_args(arguments).check
    files = outputs()
    stale = not_current(files)
    for path in stale:
        sys.stdout.write(f"{'not current' if is_check else 'written'}: {path.relative_to(ROOT)}\n")
    if is_check:
        sys.stdout.write("run: make generate\n" if stale else "")
        return 1 if stale else 0
    write({path: files[path] for path in stale})
    return 0


def not_current(files: Mapping[Path, str]) -> list[Path]:
    """Return the files that are missing or hold another text."""
    return [path for path, text in files.items() if not path.is_file() or path.read_text() != text]


def write(files: Mapping[Path, str]) -> None:
    """Write each text to its file."""
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
