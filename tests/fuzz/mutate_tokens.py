"""Mutations of the words and numbers of a text: of XML, YAML, JSON lines and YOLO's labels alike."""

import random
import re

from mutate_json import mutated_bytes

_WORD = re.compile(r"[^\s<>,:=\[\]{}\"/]+")
VALUES = (
    "nan", "inf", "-inf", "1e999", "-1e308", "-1", "0", "0.0", "1.5", "9" * 400, "9" * 5000, "0x10", "1_0", "\u0663",
    "true", "off", "null", "~", "", "-", "!!python/object:os.system", "&a [*a]", "*a", "..", "../../x", "/etc/passwd",
    "C:\\x", "a\0b", "\x1b[2J", "=1+1", "n" * 300, "\ud800".encode("utf-8", "surrogatepass").decode("latin1"), "<",
    "&amp;", "&#x0;", "&e;", "[" * 2000, "{" * 2000, "'", '"', "\u202ex", "\ufeff", "\r", "\n", "\n\n", "\t",
)  # fmt: skip


def mutated_tokens(text: str, rng: random.Random) -> bytes:
    """Return a text with one to four words replaced, doubled or taken out; at times its bytes are changed, too."""
    for _ in range(rng.randint(1, 4)):
        words = list(_WORD.finditer(text))
        if not words:
            break
        word = rng.choice(words)
        new = rng.choice(VALUES) if rng.random() < 0.8 else rng.choice(words)[0]
        text = text[: word.start()] + new + text[word.end() :]
    content = text.encode(errors="surrogatepass")
    if rng.random() < 0.1:
        content = text.encode(rng.choice(("utf-16", "utf-8-sig", "latin1", "utf-32")), errors="replace")
    return mutated_bytes(content, rng) if rng.random() < 0.25 else content
