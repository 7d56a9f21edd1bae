"""Every named error keeps its kind and fields when a place is put before its cause."""

import pytest

from edgessd.errors import EdgessdError, InputError
from edgessd.sources.fault import Reason, SourceFault


def test_a_place_goes_before_the_cause() -> None:
    error = InputError("no key 'x'", fix="see `edgessd run --check`", command="edgessd run --check").within("a.toml")
    assert str(error) == "a.toml: no key 'x': see `edgessd run --check`"
    assert (type(error), error.command) == (InputError, "edgessd run --check")


def test_an_error_with_arguments_of_its_own_is_placed_too() -> None:
    error = SourceFault(Reason.NOT_FOUND, "there is no /dev/video9", fix="plug it in").within("stream door")
    assert (error.reason, str(error)) == ("not found", "stream door: there is no /dev/video9: plug it in")


@pytest.mark.parametrize("kind", EdgessdError.__subclasses__())
def test_the_command_is_the_fix_where_no_words_are_given(kind: type[EdgessdError]) -> None:
    assert str(kind("a cause", command="a command")) == "a cause: a command"
