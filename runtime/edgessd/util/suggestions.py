"""The nearest known word, for errors about names that were typed."""

from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST = 100  # letters of a typed word that are compared; the comparison is quadratic


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like a typed one, None when none is near."""
    near = get_close_matches(word[:_LONGEST], known, n=1, cutoff=0.6)
    return near[0] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'? known: ...``, or the known words alone when none is near."""
    names = list(known)
    near = nearest(word, names)
    hint = f"did you mean {near!r}? " if near else ""
    return f"{hint}known: {', '.join(names)}"
