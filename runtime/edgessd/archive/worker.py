"""What does the work: a detector that is kept, and files one by one."""

from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from edgessd.archive.job import Item, Outcome, Settings, State
from edgessd.archive.places import Store, content_digest, local_copy
from edgessd.archive.rows import counts_in, open_rows
from edgessd.detector import Detector
from edgessd.errors import EdgessdError
from edgessd.sources import open_source
from edgessd.streams import Policy, Result, Streams
from edgessd.util.outside_text import outside_text


class Worker:
    """A detector on one core, and the folder of results. ``close`` when no more files come."""

    def __init__(self, settings: Settings) -> None:
        """Load the model. Raises what ``Detector`` and ``Store`` raise."""
        self._settings = settings
        self._store = Store(settings.out)
        self._detector = Detector(settings.model, backend=settings.backend, settings=settings.post_process, threads=1)

    def close(self) -> None:
        """Free the model."""
        self._detector.close()

    def do(self, item: Item) -> Outcome:
        """Return what came of a file; its results are in place then. Raises InputError where they cannot be written.

        What cannot be read is BROKEN, with the reason as its note, and leaves no results.
        """
        try:
            with local_copy(item.path) as path:
                digest = content_digest(path)
                return self._done_before(item, path, digest) or self._detect(item, path, digest)
        except _Unreadable as error:
            return Outcome.broken(item, outside_text(error))
        except OSError as error:  # the file itself: what writing raises has a name of ours
            return Outcome.broken(item, outside_text(error.strerror or error))

    def _done_before(self, item: Item, path: Path, digest: str) -> Outcome | None:
        name = self._settings.results_of(item, digest)
        if not self._store.exists(name):
            return None
        try:
            with self._store.reading(name) as results:
                frames, labels = counts_in(self._settings.format, results)
        except (OSError, ValueError, LookupError, TypeError, RecursionError):  # damaged since: it is made again
            return None
        note = _cut_off(_promised(path), frames)
        return Outcome(item.shown, item.name, item.stamp, State.DONE, digest, frames, labels, note, again=True)

    def _detect(self, item: Item, path: Path, digest: str) -> Outcome:
        labels = self._detector.card.labels
        found: Counter[str] = Counter()
        frames = 0
        promised = _promised(path)
        with (
            self._store.writing(self._settings.results_of(item, digest)) as unfinished,
            open_rows(self._settings.format, unfinished, item.name, labels) as rows,
            closing(_results(path, self._detector)) as results,
        ):
            for result in results:
                frames += 1
                found.update(labels[index] for index in result.detections.classes.tolist())
                rows.add(result)
            if not frames:
                raise _Unreadable("no frame can be read")
        note = _cut_off(promised, frames)
        return Outcome(item.shown, item.name, item.stamp, State.DONE, digest, frames, dict(sorted(found.items())), note)


class _Unreadable(Exception):
    """A source's own fault, which is the file's and not the job's."""


@contextmanager
def _blamed_on(path: Path) -> Iterator[None]:
    """Raise _Unreadable for an error of a source, without the path, which differs from machine to machine."""
    try:
        yield
    except EdgessdError as error:
        raise _Unreadable(str(error).replace(str(path.absolute()), path.name)) from error


def _promised(path: Path) -> int | None:
    """Return how many frames a file's header promises, if it does. Raises _Unreadable."""
    with _blamed_on(path), open_source(str(path.absolute())) as source:
        return source.frame_count


def _cut_off(promised: int | None, frames: int) -> str:
    """Return a note where a file ends long before its header says: it may be off by some frames, not by a tenth."""
    if promised and frames < 0.9 * promised:
        return f"ended after {frames} of {promised} frames: it is cut off"
    return ""


def _results(path: Path, detector: Detector) -> Generator[Result, None, None]:
    """Yield the results of a file. Raises _Unreadable."""
    with _blamed_on(path), Streams(detector) as streams:
        streams.add(path.name, partial(open_source, str(path.absolute())), policy=Policy.EVERY, rename=False)
        yield from streams
