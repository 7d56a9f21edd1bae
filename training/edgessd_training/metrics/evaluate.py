"""Runs a detector over a data set and measures it: read, detect, count.

The training loop calls ``evaluate`` with its network in memory, `edgessd eval` with a model file.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import DataError
from edgessd.model.detections import Detections, refuse_nonfinite
from edgessd_training.data.images import read_image
from edgessd_training.data.records import DataSet, Record
from edgessd_training.metrics import measure
from edgessd_training.metrics.detections_file import Row, from_rows, to_rows
from edgessd_training.metrics.labels import mapped
from edgessd_training.picture_workers import Look

Item = TypeVar("Item")
Result = TypeVar("Result")
Images = list[NDArray[np.uint8]]
# Takes BGR images, (H, W, 3) uint8 each of its own size; returns what is in each, boxes in its pixels.
Detect = Callable[[Images], list[Detections]]


@dataclass(frozen=True)
class Evaluation:
    """figures: as ``metrics.measure`` returns them. detections: one entry a record. rows: as a file has them."""

    figures: dict[str, Any]
    detections: list[Detections]
    rows: list[Row]


def evaluate(
    detect: Detect,
    data: DataSet,
    metric: str,
    *,
    order: NDArray[np.int64] | None = None,
    batch: int = 1,
    workers: int = 1,
    readers: int = 2,
    on_images: Callable[[int], object] = lambda count: None,
) -> Evaluation:
    """Return the figures of a detector on a data set.

    detect: called with ``batch`` images (the last call repeats one to fill it), by ``workers`` threads at once.
    order: the data set's index of each class of the detector (``metrics.labels.class_order``), None where they
    are the same. readers: threads that decode images. on_images: told how many images were finished.
    Raises DataError for an image that is missing, broken, or of another size than annotated, BackendError where the
    network gives NaN or infinity: a mean average precision would hide it.
    """
    found = detections(detect, data, batch=batch, workers=workers, readers=readers)
    return measured(data, found, metric, order=order, on_images=on_images)


def measured(
    data: DataSet,
    found: Iterable[Detections],
    metric: str,
    *,
    order: NDArray[np.int64] | None = None,
    on_images: Callable[[int], object] = lambda count: None,
) -> Evaluation:
    """Return the figures of detections, one entry a record, as they come; order, on_images: as in ``evaluate``."""
    complete = []
    for detections in found:
        complete.append(detections if order is None else mapped(detections, order))
        on_images(1)
    rows = to_rows(data, complete)
    kept = from_rows(data, rows)
    return Evaluation(measure(data, kept, metric), kept, rows)


def detections_by(look: Look, data: DataSet) -> Iterator[Detections]:
    """Yield what a cluster finds in each image of a data set. Raises DataError as ``evaluate`` does."""
    for record, seen in zip(data.records, look(record.path for record in data.records), strict=True):
        if isinstance(seen, DataError):
            raise seen
        _check_size(record, seen.height, seen.width)
        yield seen.found


def detections(
    detect: Detect, data: DataSet, *, batch: int = 1, workers: int = 1, readers: int = 2
) -> Iterator[Detections]:
    """Yield what a detector finds in each image of a data set; arguments and errors are those of ``evaluate``."""
    batches = [data.records[start : start + batch] for start in range(0, len(data.records), batch)]

    def run(loaded: Images) -> list[Detections]:
        results = detect(loaded + [loaded[-1]] * (batch - len(loaded)))[: len(loaded)]
        for result in results:
            refuse_nonfinite(result)
        return results

    with ThreadPoolExecutor(readers) as reading, ThreadPoolExecutor(workers) as working:
        loaded = _in_order(reading, _load, batches, ahead=2 * max(readers, workers))
        for results in _in_order(working, run, loaded, ahead=workers):
            yield from results


def _load(records: Sequence[Record]) -> Images:
    images = []
    for record in records:
        image = read_image(record.path)
        _check_size(record, *image.shape[:2])
        images.append(image)
    return images


def _check_size(record: Record, height: int, width: int) -> None:
    if (height, width) != (record.height, record.width):
        raise DataError(
            f"{record.path} has {width}x{height} pixels, its annotation says {record.width}x{record.height}",
            fix="`edgessd data check` lists such images, --fix DIR writes a copy without them",
        )


def _in_order(
    pool: ThreadPoolExecutor, function: Callable[[Item], Result], items: Iterable[Item], *, ahead: int
) -> Iterator[Result]:
    """Yield function(item) of every item in order, computed by the pool at most ``ahead`` items early."""
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
