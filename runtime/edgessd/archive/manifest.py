"""What is known of an archive: archive.json (its settings), manifest.jsonl (a line a file) and summary.json."""

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from edgessd import __version__
from edgessd.archive.job import Item, Outcome, Settings, State, check_identity
from edgessd.archive.places import Store, is_remote
from edgessd.errors import InputError
from edgessd.sources.address import redact_url

MANIFEST = "manifest.jsonl"


class Manifest:
    """The outcomes of an archive, the last of each path. Locally every one is on the disk as soon as it is known."""

    def __init__(self, settings: Settings) -> None:
        """Read what is there, or begin. Raises InputError for a folder of other settings."""
        self._store = Store(settings.out)
        self._settings = settings
        identity = settings.identity()
        stored = self._store.read_text("archive.json")
        if stored is not None:
            check_identity(identity, stored, settings.out)
        else:
            for name in (MANIFEST, "summary.json"):
                if self._store.exists(name):
                    cause = f"{redact_url(settings.out)} holds a {name} that is no archive's, which would be lost"
                    raise InputError(cause, fix="choose another folder")
            about = {"edgessd": __version__, "model": settings.model, "identity": identity}
            self._store.write_text("archive.json", json.dumps(about, indent=2) + "\n")
        self.outcomes: dict[str, Outcome] = {}
        for line in (self._store.read_text(MANIFEST) or "").split("\n"):
            # The last line of a process that was killed, or what somebody else wrote.
            with suppress(ValueError, TypeError, KeyError, RecursionError):
                outcome = Outcome.from_json(json.loads(line))
                self.outcomes[outcome.path] = outcome
        self._file: IO[str] | None = None

    def __enter__(self) -> "Manifest":
        self._rewrite()
        if not is_remote(self._settings.out):
            self._file = Path(self._settings.out, MANIFEST).open("a", encoding="utf-8", errors="surrogateescape")
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
        self._rewrite()

    def is_done(self, item: Item) -> bool:
        """Return whether a file's results are there and the file is as it was then."""
        known = self.outcomes.get(item.shown)
        if known is None or known.state is not State.DONE or known.stamp != item.stamp:
            return False
        return self._store.exists(self._settings.results_of(item, known.digest))

    def add(self, outcome: Outcome) -> None:
        """Note one outcome."""
        self.outcomes[outcome.path] = outcome
        if self._file is not None:
            self._file.write(_line(outcome))
            self._file.flush()

    def summary(self, items: Sequence[Item], others: list[str], seconds: float) -> dict[str, Any]:
        """Return and write the totals over the files of this run. others: files that were not read."""
        outcomes = [self.outcomes[item.shown] for item in items if item.shown in self.outcomes]
        labels: Counter[str] = Counter()
        for outcome in outcomes:
            labels.update(outcome.labels)
        done = [outcome for outcome in outcomes if outcome.state is State.DONE]
        totals = {
            "files": len(outcomes),
            "done": len(done),
            "broken": [{"path": each.path, "reason": each.note} for each in outcomes if each.state is State.BROKEN],
            "cut_off": [{"path": each.path, "reason": each.note} for each in done if each.note],
            "not_read": others,
            "frames": sum(outcome.frames for outcome in outcomes),
            "detections": dict(sorted(labels.items())),
            "seconds": round(seconds, 1),
        }
        self._store.sweep({self._settings.results_of(item, "") for item in items})
        self._store.write_text("summary.json", json.dumps(totals, indent=2) + "\n")
        return totals

    def _rewrite(self) -> None:
        lines = [_line(outcome) for _, outcome in sorted(self.outcomes.items())]
        self._store.write_text(MANIFEST, "".join(lines))


def _line(outcome: Outcome) -> str:
    return json.dumps(outcome.as_json()) + "\n"
