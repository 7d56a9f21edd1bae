"""Labels and thresholds of a card changed by name: the order of the classes belongs to the network and stays."""

from collections.abc import Mapping
from typing import Any

from edgessd.errors import InputError
from edgessd.model.card import ModelCard
from edgessd.util.suggestions import did_you_mean


def renamed(card: ModelCard, names: Mapping[str, str]) -> ModelCard:
    """Return the card with other names for some labels; thresholds and measured figures go with their class.

    names: new names by old ones. ``training["renamed"]`` keeps the name that the training data had, by new ones.
    Raises InputError for a label that the card does not have, or a new name that another class has or gets.
    """
    _check_known(card, names)
    for old, new in names.items():
        if new in card.labels:
            raise InputError(
                f"the label {new!r} is there already, {old!r} cannot take its name",
                fix="two classes of one name cannot be told apart; rename the other one first, into another file",
            )
    if len(set(names.values())) < len(names):
        raise InputError("two labels cannot get one name", fix="give each a name of its own")
    before = card.training.get("renamed")
    origins = dict(before) if isinstance(before, Mapping) else {}
    for old, new in names.items():
        origins[new] = origins.pop(old, old)
    return card.with_changes(
        labels=tuple(names.get(label, label) for label in card.labels),
        thresholds={names.get(label, label): value for label, value in card.thresholds.items()},
        metrics=_with_names(card.metrics, names),
        training={**card.training, "renamed": {new: old for new, old in origins.items() if new != old}},
    )


def with_thresholds(card: ModelCard, scores: Mapping[str, float | None]) -> ModelCard:
    """Return the card with other thresholds for some labels, None for the runtime's own.

    Average precisions count boxes from 0.01 on, so they hold. Raises InputError for an unknown label, a score outside
    0..1, or one that the graph's own NMS never lets through.
    """
    _check_known(card, scores)
    for label, score in scores.items():
        if score is not None and not 0 <= score <= 1:
            raise InputError(f"the threshold of {label!r} must lie in 0..1, got {score:g}", fix="give a score")
        if score is not None and score < card.score_floor:
            raise InputError(
                f"the graph drops boxes below {card.score_floor:g}, so {label!r} cannot have {score:g}",
                fix="give a higher one, or change the checkpoint's card and export it again",
            )
    merged = {**card.thresholds, **scores}
    return card.with_changes(thresholds={label: value for label, value in merged.items() if value is not None})


def split_change(text: str, labels: tuple[str, ...], what: str) -> tuple[str, str]:
    """Return a label and what follows its ``=``. Raises InputError where there is no ``=``.

    A label may hold an = itself: of those that fit the longest is taken, and where none fits all before the first =.
    """
    known = [label for label in labels if text.startswith(f"{label}=")]
    label = max(known, key=len) if known else text.partition("=")[0]
    rest = text[len(label) + 1 :].strip()
    if "=" not in text or not rest:
        raise InputError(f"expected {what}, got {text!r}", fix="quote it where a name has spaces")
    return label, rest


def _check_known(card: ModelCard, names: Mapping[str, Any]) -> None:
    for label in names:
        if label not in card.labels:
            raise InputError(f"the model has no label {label!r}", fix=did_you_mean(label, card.labels))


def _with_names(value: Any, names: Mapping[str, str]) -> Any:
    """Return figures with other names in every ``per_class``."""
    if not isinstance(value, Mapping):
        return value
    return {
        key: {names.get(label, label): figure for label, figure in item.items()}
        if key == "per_class" and isinstance(item, Mapping)
        else _with_names(item, names)
        for key, item in value.items()
    }
