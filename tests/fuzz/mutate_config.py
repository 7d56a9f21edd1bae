"""Mutations of a configuration that mostly stay TOML of known keys, so that it runs."""

import random
import re

NUMBERS = (
    "0", "1", "2", "3", "10", "255", "9464", "1000000", "0.0", "0.001", "0.5", "1.0", "30.0", "1e-9", "1e300", "-1",
)  # fmt: skip
TEXTS = (
    '""', '"x"', '"-"', '"."', '"a/b"', '"$x"', '"#"', '"=1+1"', '"\\u001b[2J"', '"0"', '"o.jsonl"', '"p.csv"', '"v"',
    '"s/t"', '"/dev/null"', '"/dev/full"', '"/dev/zero"', '"nowhere/x"', '"clip.avi"', '"clip.avi?pace=1000&loop=1"',
    '"images"', '"clip.avi?pace=0.01"', '"images?loop=1"', '"images?pace=500"', '"localhost"', '"127.0.0.1"', '"::1"',
    '"mp4"', '"mkv"', '"no.such.invalid"', '"latest"', '"every"', '"json"', '"debug"', '"error"', '"openvino"',
    '"onnxruntime"', '"default"', '"mpeg4"', '"http://127.0.0.1:9/a"', '"udp://127.0.0.1:9"',
    '"gst:videotestsrc num-buffers=5"', '"door"', '"café"',
    '"2x2"', '"8x8"', '"64x64"', '"16384x64"', '"0x0"', '"auto"', '"10"', '"e.db"', '"0.0.0.0"', '"<b>x</b>"',
)  # fmt: skip
LISTS = (
    "[]", '["door"]', '["yard", "gate"]', '["red"]', "true", "false", "{red = 0.0, blue = 1.0}", "[0.5, 0.5]",
    "[0.0, 0.0]", "[nan, 0.5]", "[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]",
    "[[0.0, 0.0], [1e-9, 0.0], [0.0, 1e-9]]",
    "[[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]]", "[[0.1, 0.1], [0.1, 0.1], [0.2, 0.3]]", "[[inf, 0.0]]",
)  # fmt: skip
VALUES = (*NUMBERS, *TEXTS, *LISTS)
_PAIR = re.compile(r"^([\w.]+) = (.*)$", re.MULTILINE)
_TABLE = re.compile(r"^(?=\[)", re.MULTILINE)


def mutated_config(text: str, rng: random.Random) -> str:
    """Return a configuration with one or two values changed, and at times a table taken out or doubled."""
    for _ in range(rng.randint(1, 2)):
        pairs = list(_PAIR.finditer(text))
        pair = rng.choice(pairs)
        value = rng.choice(_like(pair[2]) if rng.random() < 0.8 else VALUES)
        text = f"{text[: pair.start(2)]}{value}{text[pair.end(2) :]}"
    if rng.random() < 0.3:
        tables = _TABLE.split(text)
        at = rng.randrange(len(tables))
        tables[at : at + 1] = [tables[at]] * rng.choice((0, 2))
        text = "".join(tables)
    return text


def _like(value: str) -> tuple[str, ...]:
    """Return values of the same type."""
    if value.startswith('"'):
        return TEXTS
    return NUMBERS if value[0].isdigit() or value[0] == "-" else LISTS
