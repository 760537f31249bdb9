"""``genmodel estimate``: a file of requests in, a line per request out."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from genmodel_operator.sizing.estimate.estimate import estimate
from genmodel_operator.sizing.estimate.result import to_line


class RequestsError(Exception):
    """A file of requests cannot be read, or one of its lines is not a JSON object."""


def read_requests(filename: str) -> list[Mapping[str, Any]]:
    """Return the requests in a file, one JSON object per line; ``-`` reads standard input.

    Empty lines are skipped. Raises ``RequestsError`` that names the first wrong line.
    """
    requests = []
    for number, line in enumerate(_read(filename).split(b"\n"), start=1):
        if line.strip():
            requests.append(_parse(line, number))
    return requests


def estimate_lines(requests: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield one answer per request, with its line end, in order."""
    for request in requests:
        yield to_line(estimate(request)) + "\n"


def _read(filename: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if filename == "-" else Path(filename).read_bytes()
    except (OSError, ValueError) as error:
        raise RequestsError(f"cannot be read: {error}") from error


def _parse(line: bytes, number: int) -> Mapping[str, Any]:
    try:
        document = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        raise RequestsError(f"line {number}: is not UTF-8 ({error.reason})") from error
    except RecursionError:
        raise RequestsError(f"line {number}: is nested too deeply") from None
    except ValueError as error:
        # Not only of the grammar: a number of thousands of digits is refused too.
        raise RequestsError(f"line {number}: is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise RequestsError(f"line {number}: is not a JSON object, but {_kind(document)}")
    return document


def _kind(document: object) -> str:
    if document is None:
        return "null"
    names = {list: "a list", str: "a string", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(document), "another value")
