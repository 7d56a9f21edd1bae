"""Events in SQLite: one row a track, whole after a killed process; any filtered page is one range of one index.

An event is filed under every filter that finds it: its stream or any, its label or any, each of its zones or any. A
page is then a range of ``filed``, whatever the filter and however many events there are. What goes first is what came
first: a clock that was set back must not make the newest event the oldest.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import product, takewhile
from pathlib import Path
from threading import Lock
from typing import Any

from edgessd.errors import EdgessdError, InputError
from edgessd.streams.event import Event
from edgessd.util.bounded_json import parse_json
from edgessd.util.files import writable

_SECONDS_PER_DAY = 86400
_PURGE_EVERY = 200  # events
_PURGE_ROWS = 100  # in one transaction, and so many transactions at a time: new events go on
_PURGE_ROUNDS = 20
_BUSY_SECONDS = 5.0
_ANY = ""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS events(
    key INTEGER PRIMARY KEY,  -- microseconds since 1970 of its start, made different where two are the same
    id TEXT NOT NULL UNIQUE, stream TEXT NOT NULL, label TEXT NOT NULL, ended INTEGER NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS open ON events(key) WHERE NOT ended;
CREATE TABLE IF NOT EXISTS pictures(key INTEGER PRIMARY KEY, jpeg BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS filters(
    filter INTEGER PRIMARY KEY, stream TEXT NOT NULL, label TEXT NOT NULL, zone TEXT NOT NULL,
    UNIQUE(stream, label, zone));
CREATE TABLE IF NOT EXISTS filed(filter INTEGER, key INTEGER, PRIMARY KEY(filter, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS arrivals(number INTEGER PRIMARY KEY, key INTEGER NOT NULL UNIQUE);
INSERT INTO arrivals(key) SELECT key FROM events WHERE key NOT IN (SELECT key FROM arrivals) ORDER BY key;
"""
_TABLES = {"events", "pictures", "filters", "filed"}


class StoreFault(EdgessdError):
    """The database of events cannot be read or written."""


class EventStore:
    """Keeps events and their pictures; any thread may add and query, and other processes may query.

    What ``add`` returned from is kept, also when the process is killed in the next moment (SQLite's WAL; after a power
    cut the last moments may be missing, the rest is whole).
    """

    def __init__(
        self, path: Path, *, keep_seconds: float = 30 * _SECONDS_PER_DAY, keep_bytes: float = 1_000_000_000
    ) -> None:
        """keep_seconds, keep_bytes: of what is older, or more than that, the oldest goes.

        Raises InputError for a place that cannot be written, StoreFault for a file that is no such database.
        """
        self._path = writable(path)
        self._keep_seconds = keep_seconds
        self._keep_bytes = keep_bytes
        self._lock = Lock()
        self._added = 0
        self._filters: dict[tuple[str, str, str], int] = {}
        with self._store_errors():
            self._database = sqlite3.connect(
                self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._refuse_foreign()
            self._database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before the first table
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.executescript(_SCHEMA)

    def add(self, event: Event) -> None:
        """Keep an event in place of an earlier one of its track. Raises StoreFault."""
        body = event.as_json()
        text = json.dumps(body)
        with self._lock, self._store_errors():
            with self._transaction():
                key = self._key_of(event.id, body["started"])
                self._database.execute(
                    "INSERT INTO events VALUES(?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT(key) DO UPDATE SET ended = excluded.ended, body = excluded.body",
                    (key, event.id, event.stream, body["label"], body["event"] == "end", text),
                )
                self._database.execute("INSERT OR IGNORE INTO arrivals(key) VALUES(?)", (key,))
                if event.jpeg is not None:
                    self._database.execute("INSERT OR REPLACE INTO pictures VALUES(?, ?)", (key, event.jpeg))
                for place in product((event.stream, _ANY), (body["label"], _ANY), (*body["entered"], _ANY)):
                    self._database.execute("INSERT OR IGNORE INTO filed VALUES(?, ?)", (self._filter(*place), key))
            self._added += 1
            if self._added % _PURGE_EVERY == 1:
                self._purge(body["time"])

    def query(
        self,
        *,
        stream: str | None = None,
        label: str | None = None,
        zone: str | None = None,
        since: float | None = None,
        before: float | None = None,
        limit: int = 50,
    ) -> list[dict[str, Any]]:
        """Return at most ``limit`` tracks, the newest start first, each as its last event says (``Event.as_json``).

        stream, label: theirs alone. zone: tracks that entered it. since, before: of starts, seconds since 1970;
        ``before`` is not among them, so the last one's ``started`` asks for the next page. ``picture``: whether there
        is one. Raises StoreFault.
        """
        first = -(2**62) if since is None else round(since * 1e6)
        last = 2**62 if before is None else round(before * 1e6) - 1
        with self._store_errors(), self._reading() as database:
            rows = database.execute(
                "SELECT filed.key, body, pictures.key IS NOT NULL FROM filters JOIN filed USING(filter)"
                " JOIN events ON events.key = filed.key LEFT JOIN pictures ON pictures.key = filed.key"
                " WHERE filters.stream IS ? AND filters.label IS ? AND zone IS ? AND filed.key BETWEEN ? AND ?"
                " ORDER BY filed.key DESC LIMIT ?",
                (stream or _ANY, label or _ANY, zone or _ANY, first, last, limit),
            ).fetchall()
            return [_body(text) | {"started": key / 1e6, "picture": bool(has)} for key, text, has in rows]

    def picture(self, id: str) -> bytes | None:
        """Return the JPEG of an event, None where there is none. Raises StoreFault."""
        with self._store_errors(), self._reading() as database:
            row = database.execute("SELECT jpeg FROM events JOIN pictures USING(key) WHERE id = ?", (id,)).fetchone()
        return row[0] if row is not None and isinstance(row[0], bytes) else None

    def choices(self) -> dict[str, list[str]]:
        """Return which streams, labels and zones there are events of: ``{"stream": [...], "label", "zone"}``."""
        with self._store_errors(), self._reading() as database:
            rows = database.execute(
                "SELECT stream, label, zone FROM filters"
                " WHERE EXISTS (SELECT 1 FROM filed WHERE filed.filter = filters.filter)"
            ).fetchall()
        columns = zip(("stream", "label", "zone"), zip(*rows, strict=True) if rows else ((), (), ()), strict=True)
        return {name: sorted({value for value in values if value != _ANY}) for name, values in columns}

    def end_open(self) -> None:
        """End the events that a killed process left without an end: they were last seen when last told of."""
        with self._lock, self._store_errors(), self._transaction():
            for key, text in self._database.execute("SELECT key, body FROM events WHERE NOT ended").fetchall():
                ended = json.dumps(_body(text) | {"event": "end"})
                self._database.execute("UPDATE events SET ended = 1, body = ? WHERE key = ?", (ended, key))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _key_of(self, id: str, started: float) -> int:
        row = self._database.execute("SELECT key FROM events WHERE id = ?", (id,)).fetchone()
        if row is not None:
            return int(row[0])
        key = round(started * 1e6)
        while self._database.execute("SELECT 1 FROM events WHERE key = ?", (key,)).fetchone():
            key += 1
        return key

    def _filter(self, stream: str, label: str, zone: str) -> int:
        number = self._filters.get((stream, label, zone))
        if number is None:
            place = (stream, label, zone)
            self._database.execute("INSERT OR IGNORE INTO filters(stream, label, zone) VALUES(?, ?, ?)", place)
            number = int(self._database.execute(
                "SELECT filter FROM filters WHERE stream IS ? AND label IS ? AND zone IS ?", place
            ).fetchone()[0])  # fmt: skip
            self._filters[place] = number
        return number

    def _purge(self, now: float) -> None:
        """Delete what is too old or too much, in parts; what is left after many waits for the next time."""
        for _ in range(_PURGE_ROUNDS):
            first = [key for (key,) in self._database.execute(
                "SELECT key FROM arrivals ORDER BY number LIMIT ?", (_PURGE_ROWS,)
            )]  # fmt: skip
            gone = list(takewhile(lambda key: key < (now - self._keep_seconds) * 1e6, first))
            if not gone and self._used_bytes() > self._keep_bytes:
                gone = first
            if not gone:
                return
            with self._transaction():
                filters = self._database.execute("SELECT filter FROM filters").fetchall()
                self._database.executemany(
                    "DELETE FROM filed WHERE filter = ? AND key = ?",
                    [(number, key) for (number,) in filters for key in gone],
                )
                for table in ("pictures", "events", "arrivals"):
                    self._database.executemany(f"DELETE FROM {table} WHERE key = ?", [(key,) for key in gone])
            self._database.execute("PRAGMA incremental_vacuum").fetchall()

    def _refuse_foreign(self) -> None:
        """Raise StoreFault for a database of another program, before anything is written into it."""
        there = {name for (name,) in self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if there and not there >= _TABLES:
            raise StoreFault(f"{self._path} is a database, and not one of events", fix="choose another path")

    def _used_bytes(self) -> int:
        pages, free, size = (
            int(self._database.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")  # where a full disk is noticed
        except BaseException:
            self._filters.clear()  # those of this transaction are not there
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection of this call's own: it sees one state of the file and waits for no writer."""
        with closing(
            sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)
        ) as it:
            yield it

    @contextmanager
    def _store_errors(self) -> Iterator[None]:
        try:
            yield
        # A damaged file may give rows that cannot be, such as none where one was just written.
        except (sqlite3.Error, InputError, TypeError, ValueError) as error:
            raise StoreFault(
                f"the events in {self._path} cannot be kept or read: {error}",
                fix="free space, or move the file away: a new one is made",
            ) from error


def _body(text: Any) -> dict[str, Any]:
    """Return what is told of a track. Raises InputError for a row that is damaged."""
    body = parse_json(text) if isinstance(text, str | bytes) else None
    if not isinstance(body, dict):
        raise InputError("an event is no table")
    return body
