"""What is said about a command line that is wrong: one line, exit code 2, the option that was meant."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import typer

from edgessd.commands.cli import build_app, run

Edgessd = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["detect", "a", "--treshold", "0.5"], "no such option: --treshold, did you mean --score?"),
        (["detect", "a", "--threshold=0.5"], "no such option: --threshold, did you mean --score?"),
        (["detect", "a", "--scor", "0.5"], "no such option: --scor, did you mean --score?"),
        (["detect", "a", "--weights", "b"], "no such option: --weights, did you mean --model?"),
        (["doctor", "--threshold", "1"], "no such option: --threshold: see"),  # doctor has no --score
        (["info", "--xyzzy"], "no such option: --xyzzy: see `edgessd info --help`"),
        (["info", "--" + "x" * 100_000], "no such option: --xxxx"),
        (["detct", "a"], "'detct'"),
        (["detect", "a", "--score", "much"], "'--score'"),
        (["info", "a", "b"], "extra argument"),
        (["detect"], "SOURCE"),
    ],
)
def test_wrong_usage(edgessd: Edgessd, words: list[str], said: str) -> None:
    code, out, err = edgessd(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert len(err) < 2100


def test_no_verb_prints_the_help(edgessd: Edgessd) -> None:
    code, out, err = edgessd()
    assert code == 2
    assert "detect" in out + err


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["detect", "--help"]])
def test_asking_is_no_error(edgessd: Edgessd, words: list[str]) -> None:
    code, out, err = edgessd(*words)
    assert (code, err) == (0, "")
    assert out


def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*words, name))


@pytest.mark.parametrize(
    ("words", "command"),
    [pytest.param(*found, id=" ".join(found[0])) for found in commands(typer.main.get_command(build_app()))],
)
def test_help_of_80_columns_cuts_no_word(
    edgessd: Edgessd, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], command: Any
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = edgessd(*words, "--help")
    assert code == 0
    assert "\N{HORIZONTAL ELLIPSIS}" not in out
    assert max(map(len, out.splitlines())) <= 80
    shown = set(out.replace("\N{BOX DRAWINGS LIGHT VERTICAL}", " ").split())
    told = [command.help, *(parameter.help for parameter in command.params)]
    assert {word for text in told for word in (text or "").split()} <= shown


def test_completion_knows_the_verbs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("_EDGESSD_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "edgessd sel")
    monkeypatch.setenv("COMP_CWORD", "1")
    with pytest.raises(SystemExit) as left:
        run([])
    assert (left.value.code, capsys.readouterr().out.split()) == (0, ["selftest"])
