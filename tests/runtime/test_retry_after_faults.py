"""A server that has just started says what is not so; only a refused password is left alone for long."""

import time

import pytest
from servers.cameras import eventually

from edgessd.sources.fault import SourceFault
from edgessd.streams import Reader, Retry, State


@pytest.mark.parametrize(("reason", "soon"), [("not a stream", True), ("not found", True), ("authentication", False)])
def test_what_is_tried_again_soon(reason: str, soon: bool) -> None:
    calls: list[float] = []

    def connect() -> None:
        calls.append(time.monotonic())
        raise SourceFault(reason, "no")

    retry = Retry(first_retry=0.001, longest_retry=0.01, lasting_retry=3600)
    reader = Reader("x", connect, retry=retry)  # type: ignore[arg-type]
    reader.start()
    assert eventually(lambda: reader.status().state is State.FAILED, 5)
    assert eventually(lambda: len(calls) > 3, 5 if soon else 0.2) is soon
    reader.stop(1)
