"""Logs for machines and for people, to standard error; never a token."""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_QUIET = ("kopf", "aiohttp.access", "asyncio", "huggingface_hub", "urllib3", "httpx")
"""Loggers of libraries that say something for every event; their warnings stay."""

_SECRET = re.compile(
    r"(?P<hub>hf_[A-Za-z0-9]{8,})"
    r"|(?P<scheme>(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}"
    r"|(?P<url>://)[^\s/@:]+:[^\s/@]+@",
    re.IGNORECASE,
)
REDACTED = "[redacted]"


def redact(text: str) -> str:
    """Return the text without access tokens and without credentials in URLs."""
    return _SECRET.sub(_replacement, text)


def _replacement(match: re.Match[str]) -> str:
    if match["scheme"]:
        return match["scheme"] + REDACTED
    return f"://{REDACTED}@" if match["url"] else REDACTED


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields that a call gave as ``extra``; kopf's objects are not among them."""
    given = {key: value for key, value in vars(record).items() if key not in _OWN and not key.startswith("k8s_")}
    return {key: value for key, value in given.items() if isinstance(value, str | int | float | bool | None)}


def _when(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonFormatter(logging.Formatter):
    """One JSON object per line: ts, level, logger, msg, then the call's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        said = {
            "ts": _when(record),
            "level": record.levelname,
            "logger": record.name,
            "msg": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return redact(json.dumps(said, ensure_ascii=False, default=str))


class TextFormatter(logging.Formatter):
    """A line for people: time, level, logger, message, fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the traceback below it where there is one."""
        fields = "".join(f" {key}={value}" for key, value in _extra(record).items())
        line = f"{_when(record)} {record.levelname:<7} {record.name}: {record.getMessage()}{fields}"
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        return redact(line)


def configure_logging(*, level: str, log_format: str, stream: TextIO | None = None) -> None:
    """Send all logs to standard error in the wanted format; libraries only from WARNING on."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
