"""Counts the cases of a fuzzer and refuses what none may do: a traceback, a hang, a gigabyte, a secret in an error.

EDGESSD_FUZZ=100000 runs so many cases of each format, a few hundred otherwise. EDGESSD_FUZZ_LOG=FILE appends a line
of figures a fuzzer: the table of docs/measurements/robustness.md is made of them.
"""

import os
import re
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from edgessd.errors import EdgessdError
from edgessd.util.outside_text import outside_text

CASES = int(os.environ.get("EDGESSD_FUZZ", "500"))
SLOWEST_SECONDS = 5.0
MOST_MB = 1000
SECRET = "geheim"


@dataclass
class Tally:
    """What the cases of one format did. faults: by their place in the code, the first seed that showed each."""

    name: str
    cases: int = 0
    refused: int = 0
    slowest: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    seeds: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def case(self, seed: int) -> Iterator[None]:
        """One case: a named error is an answer, anything else that is raised is a fault."""
        start = perf_counter()
        try:
            yield
        except EdgessdError as error:
            self.refused += 1
            outside_text(error).encode()
            if SECRET in str(error):
                self._fault(f"a secret in {type(error).__name__}", seed)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding, and the next case is tried
            frame = traceback.extract_tb(error.__traceback__)[-1]
            self._fault(f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}", seed)
        seconds = perf_counter() - start
        self.cases += 1
        self.slowest = max(self.slowest, seconds)
        if seconds > SLOWEST_SECONDS:
            self._fault("hang", seed)

    def _fault(self, kind: str, seed: int) -> None:
        self.faults[kind] += 1
        self.seeds.setdefault(kind, seed)


def peak_mb() -> int:
    """Return the most memory this process has had since its start or the last ``forget_peak``, in MB.

    Not ``ru_maxrss``: a program that a large process starts inherits that process's peak.
    """
    return int(re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) >> 10


def forget_peak() -> int:
    """Begin to measure the peak anew; return what the process has now, in MB."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_mb()


@contextmanager
def tally(name: str) -> Iterator[Tally]:
    """Yield the tally of a format; at the end nothing may have been wrong."""
    counted = Tally(name)
    before = forget_peak()
    yield counted
    megabytes = peak_mb() - before
    line = (
        f"{name}: {counted.cases} cases, {counted.refused} refused, {sum(counted.faults.values())} faults "
        f"{[(kind, count, counted.seeds[kind]) for kind, count in counted.faults.most_common()]}, "
        f"slowest {counted.slowest * 1e3:.0f} ms, {megabytes} MB"
    )
    if log := os.environ.get("EDGESSD_FUZZ_LOG"):
        with Path(log).open("a") as file:
            file.write(line + "\n")
    assert not counted.faults, line
    assert megabytes < MOST_MB, line
