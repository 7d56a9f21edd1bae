"""Detections of one machine beside another's: exit 0 when boxes agree to 1 px and scores to 0.01, else 1.

    python3 deploy/arm64/compare.py HERE.jsonl THERE.jsonl

Both files are of ``edgessd detect --score 0.2 --jsonl`` on the same images. Every detection that scores SURE or more on
either machine needs a partner of its label on the other, whatever that one scores: a detection must not count as lost
because it fell from 0.301 to 0.299. It needs no package.
"""

import json
import sys
from pathlib import Path

SURE = 0.3  # what edgessd reports where nothing else is asked
BOX_PIXELS = 1.0
SCORE = 0.01


def read(path: Path) -> dict[str, list[dict]]:
    """Return the detections of every image, by its name."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {line["source"]: line["detections"] for line in lines if "detections" in line}


def differences(one: dict, other: dict) -> tuple[float, float]:
    """Return the largest difference of an edge, in pixels, and of the scores."""
    pixels = max(abs(a - b) for a, b in zip(one["box"], other["box"], strict=True))
    return pixels, abs(one["score"] - other["score"])


def partners(ones: list[dict], others: list[dict]) -> list[tuple[dict, dict | None]]:
    """Return the sure ones with the nearest of their label among the others, None where there is none."""
    pairs = []
    for one in (each for each in ones if each["score"] >= SURE):
        same = [other for other in others if other["label"] == one["label"]]
        pairs.append((one, min(same, key=lambda other: differences(one, other), default=None)))
    return pairs


def main(here_path: Path, there_path: Path) -> int:
    """Print a line an image; return the exit code."""
    here, there = read(here_path), read(there_path)
    if not here or set(here) != set(there):
        print(f"not the same images: {sorted(here)} and {sorted(there)}")
        return 2
    agree = True
    for name in sorted(here):
        pairs = partners(here[name], there[name]) + partners(there[name], here[name])
        found = [differences(one, other) for one, other in pairs if other is not None]
        alone = [one for one, other in pairs if other is None]
        pixels = max((pair[0] for pair in found), default=0.0)
        score = max((pair[1] for pair in found), default=0.0)
        print(f"{name}: {len(found)} compared, {len(alone)} alone, within {pixels:.2f} px and {score:.4f} of score")
        for one, other in pairs:
            if other is None or max(differences(one, other)[0] / BOX_PIXELS, differences(one, other)[1] / SCORE) > 1:
                print(f"  {one['label']} {one['score']} {one['box']}, there {other and [other['score'], other['box']]}")
        agree &= not alone and pixels <= BOX_PIXELS and score <= SCORE
    print("the same" if agree else f"NOT the same (boxes to {BOX_PIXELS} px, scores to {SCORE})")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
