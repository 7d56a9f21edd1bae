"""Log lines for people, or as JSON for programs."""

import json
import logging
import sys
import time

from edgessd.util.outside_text import outside_text

# What a record has beyond these was given by `extra=` and belongs into the JSON line.
_COMMON = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
LEVELS = ("debug", "info", "warning", "error")


class JsonFormatter(logging.Formatter):
    """A JSON object a line: time (seconds since 1970), level, logger, message, and the facts given as ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{key: value for key, value in vars(record).items() if key not in _COMMON},
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """``2026-11-23T10:15:02Z warning door is stale, ...``: one line, whatever names and answers the message holds."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        self.converter = time.gmtime

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the line, the level in small letters."""
        return f"{record.asctime} {record.levelname.lower()} {outside_text(record.message)}"


def log_to_stderr(level: str, *, as_json: bool) -> None:
    """Let edgessd's loggers write to standard error, once."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    logger = logging.getLogger("edgessd")
    logger.handlers = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
