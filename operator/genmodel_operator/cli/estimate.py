"""``genmodel estimate``: a file of requests in, a line per request out."""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from genmodel_operator.sizing.estimate.estimate import estimate
from genmodel_operator.sizing.estimate.result import EstimateError, to_line


class RequestsError(Exception):
    """A file of requests cannot be read, or one of its lines is not a JSON object."""


Request = Mapping[str, Any] | EstimateError
"""One line: a JSON object, or why an object that no reader holds is not answered."""

_LONGEST_NUMBER = 4000
_HUGE: int = 10**_LONGEST_NUMBER
"""Stands for whole numbers of more digits, which no field takes: reading them would take for ever."""


def read_requests(filename: str) -> list[Request]:
    """Return the requests in a file, one JSON object per line; ``-`` reads standard input.

    Empty lines are skipped. Raises ``RequestsError`` that names the first wrong line.
    """
    requests: list[Request] = []
    for number, line in enumerate(_read(filename).split(b"\n"), start=1):
        if line.strip():
            requests.append(_parse(line, number))
    return requests


def estimate_lines(requests: Iterable[Request]) -> Iterator[str]:
    """Yield one answer per request, with its line end, in order."""
    for request in requests:
        yield to_line(request if isinstance(request, EstimateError) else estimate(request)) + "\n"


def _read(filename: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if filename == "-" else Path(filename).read_bytes()
    except (OSError, ValueError) as error:
        raise RequestsError(f"cannot be read: {error}") from error


def _parse(line: bytes, number: int) -> Request:
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        document = json.loads(text, parse_int=_whole)
    except UnicodeDecodeError as error:
        raise RequestsError(f"line {number}: is not UTF-8 ({error.reason})") from error
    except RecursionError:
        return _too_deep(text, number)
    except ValueError as error:
        raise RequestsError(f"line {number}: is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise RequestsError(f"line {number}: is not a JSON object, but {_kind(document)}")
    return document


def _whole(digits: str) -> int:
    if len(digits) <= _LONGEST_NUMBER:
        return int(digits)
    return -_HUGE if digits.startswith("-") else _HUGE


def _too_deep(text: str, number: int) -> EstimateError:
    """Return the answer to an object that is nested deeper than any request, with its ``id`` where that comes first."""
    if not text.lstrip().startswith("{"):
        raise RequestsError(f"line {number}: is nested too deeply")
    named = _FIRST_ID.match(text)
    return EstimateError(named[1] if named else None, "InvalidRequest", "the request is nested too deeply")


_FIRST_ID = re.compile(r'\s*\{\s*"id"\s*:\s*"([^"\\]*)"')


def _kind(document: object) -> str:
    if document is None:
        return "null"
    names = {list: "a list", str: "a string", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(document), "another value")
