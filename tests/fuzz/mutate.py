"""Mutations of texts: what a disk, an editor or somebody who means harm makes of a file."""

import random
from collections.abc import Sequence

# Values that broke readers before: numbers beyond all use, nesting, names, control characters, other types.
VALUES = (
    "inf", "-inf", "nan", "-1", "0", "1e999", "9" * 400, "9" * 5000, "0x" + "f" * 4000, "true", "[]", "{}", '""',
    '"\\u0000"', '"' + "n" * 300 + '"', '"${HOME}"', '"${NOT_SET_ANYWHERE}"', '"../../x"', '"\\u001b[2J"', "[" * 500,
    "[" * 50_000, "1970-13-45", "'''", '"=1+1"', "[[1]]", "{a = {a = {}}}", '"http://u:geheim@h\\n"',
)  # fmt: skip


def mutated(text: str, random_: random.Random, values: Sequence[str] = VALUES) -> bytes:
    """Return a text with one to four changes: a value replaced, a line lost, doubled or moved, bytes changed or cut."""
    lines = text.splitlines()
    for _ in range(random_.randint(1, 4)):
        at = random_.randrange(len(lines)) if lines else 0
        match random_.randrange(7):
            case 0 | 1 | 2 if lines:
                key, equals, _ = lines[at].partition("=")
                lines[at] = f"{key}{equals} {random_.choice(values)}"
            case 3 if lines:
                del lines[at]
            case 4 if lines:
                lines.insert(random_.randrange(len(lines) + 1), lines[at])
            case 5:
                lines.insert(at, random_.choice(values))
            case _:
                content = bytearray("\n".join(lines).encode(errors="surrogateescape"))
                for _ in range(random_.randint(1, 8)):
                    if content:
                        content[random_.randrange(len(content))] = random_.randrange(256)
                lines = bytes(content).decode(errors="surrogateescape").splitlines()
    content = "\n".join(lines).encode(errors="surrogateescape")
    return content[: random_.randrange(len(content) + 1)] if random_.random() < 0.1 else content
