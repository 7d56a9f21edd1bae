"""A model tried on one backend: loaded, its self-test held, a few inferences timed."""

from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from edgessd.backends import Choice, open_backend
from edgessd.backends.graph_tensors import check_outputs
from edgessd.errors import EdgessdError
from edgessd.model.card import ModelCard
from edgessd.model.self_test import check, self_test_input, worst_difference

RUNS = 20


@dataclass(frozen=True)
class Trial:
    """What came of it. error: the named error, None where all went well.

    difference, tolerance: of the self-test, None where the card has none or it was not reached.
    milliseconds: the median of RUNS inferences at batch 1, without resizing and decoding.
    """

    backend: str
    name: str
    error: str | None = None
    difference: float | None = None
    tolerance: float | None = None
    load_seconds: float | None = None
    milliseconds: float | None = None


def try_backend(path: Path, card: ModelCard, backend: str) -> Trial:
    """Return how a backend does with a model; raises nothing that has a name."""
    start = perf_counter()
    try:
        opened = open_backend(path, card, Choice(backend, "tried"))
    except EdgessdError as error:
        return Trial(backend, backend, str(error))
    loaded = perf_counter() - start
    try:
        image = self_test_input(card)
        outputs = opened.infer(image)
        check_outputs(card, path, outputs)
        difference = tolerance = None
        if card.self_test:
            difference, tolerance = worst_difference(card, outputs), float(card.self_test["tolerance"])
        times = []
        for _ in range(RUNS):
            start = perf_counter()
            opened.infer(image)
            times.append(perf_counter() - start)
        complaint = None
        try:
            check(card, outputs, engine=opened.name)
        except EdgessdError as wrong:
            complaint = str(wrong)
        return Trial(backend, opened.name, complaint, difference, tolerance, loaded, median(times) * 1e3)
    except EdgessdError as failed:
        return Trial(backend, opened.name, str(failed), load_seconds=loaded)
    finally:
        opened.close()
