"""What is said about a command line that is wrong: one line, exit code 2, the option that was meant."""

from collections.abc import Callable

import pytest

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
