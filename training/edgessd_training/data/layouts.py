"""Which of the layouts of labelled images a folder has, as annotation tools write them."""

import filecmp
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from edgessd.errors import DataError
from edgessd_training.data.coco import MAX_JSON_BYTES, read_json
from edgessd_training.data.darknet import NAME_FILES, OBJ_DATA, description
from edgessd_training.data.images import SUFFIXES
from edgessd_training.data.source import Source, bounded_bytes, leaves_its_folder
from edgessd_training.data.voc import XML, annotation_folder
from edgessd_training.data.yolo import read_yaml

SPLITS: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}
ALL = "all"
_WORDS = re.compile(r"[a-z]+")
_MOST_LEVELS = 4
_SAMPLE = 20  # images of a COCO file that are looked for
_OTHER_JSON = ("captions", "panoptic", "stuff", "person_keypoints", "image_info")
KNOWN = (
    "VOC (Annotations and JPEGImages), XML files beside images (LabelImg), COCO JSON, a YOLO data.yaml, "
    "CVAT's obj.data, or YOLO labels with classes.txt; each also in folders train, valid and test"
)


@dataclass(frozen=True)
class Layout:
    """What was recognised. root: the folder that holds it all. splits: train, val, test, or ``all`` where not split.

    unread: the data sets in other formats that are there too, as texts.
    """

    name: str
    root: Path
    splits: Mapping[str, Source]
    unread: tuple[str, ...] = ()


def recognise(folder: Path) -> Layout:
    """Return the layout of a folder; one that holds nothing but another folder is entered.

    Raises DataError for a folder of no known layout.
    """
    place = folder
    for _ in range(_MOST_LEVELS):
        if found := _layout(place):
            return replace(found, root=place.absolute())
        inner = [path for path in _visible(place) if path.is_dir()]
        if len(inner) != 1:
            break
        place = inner[0]
    raise DataError(f"{folder} is no layout of labelled images that is known: {_seen(folder)}", fix=f"known: {KNOWN}")


def split_of(text: str) -> str | None:
    """Return the split that a name such as valid, train2017 or instances_val stands for."""
    words = _WORDS.findall(text.lower())
    return next((split for split, names in SPLITS.items() if any(word in names for word in words)), None)


def _layout(folder: Path) -> Layout | None:
    finders = (
        ("CVAT YOLO 1.1", _cvat),
        ("YOLO", _yolo_yaml),
        ("COCO", _coco),
        ("VOC", _voc),
        ("YOLO with a list of names", _yolo_names),
    )
    for number, (name, finder) in enumerate(finders, start=1):
        if splits := finder(folder):
            formats = {source.format for source in splits.values()}
            others = _sources(folder, [other for _, other in finders[number:]])
            return Layout(name, folder, splits, tuple(str(other) for other in others if other.format not in formats))
    return _split_folders(folder)


def _sources(folder: Path, finders: Sequence[Callable[[Path], dict[str, Source]]]) -> Iterator[Source]:
    for finder in finders:
        with suppress(DataError):  # not asked for, so what is wrong with it matters to nobody
            yield from finder(folder).values()


def _cvat(folder: Path) -> dict[str, Source]:
    place = folder / OBJ_DATA
    if not place.is_file():
        return {}
    splits = {key: Source("yolo", place, key) for key in SPLITS if key in description(place)}
    return _whole(splits)


def _yolo_yaml(folder: Path) -> dict[str, Source]:
    found: dict[Path, dict[str, Source]] = {}
    contents = []
    for place in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"))):
        content = read_yaml(place)
        if "names" in content and (given := [key for key in ("train", "val", "test") if content.get(key)]):
            found[place] = {key: Source("yolo", place, key) for key in given if _there(content[key], folder)}
            contents.append(content)
    if any(content != contents[0] for content in contents):
        raise _several(folder, list(found), "yolo:FILE@train")
    return _whole(next(iter(found.values()), {}))


def _there(entry: object, folder: Path) -> bool:
    """Return whether a split's folder exists: Roboflow names a test split also where none was exported."""
    if not isinstance(entry, str):
        return True
    return any((folder / text).exists() for text in (entry, entry.removeprefix("../")))


def _coco(folder: Path) -> dict[str, Source]:
    places = [*sorted(folder.glob("*.json")), *sorted((folder / "annotations").glob("*.json"))]
    if any(path.stem.startswith("instances") for path in places):
        places = [path for path in places if not path.stem.startswith(_OTHER_JSON)]
    splits: dict[str, Source] = {}
    for place in places:
        if images := _images_of(place, folder):
            source = Source("coco", place, str(images))
            first = splits.setdefault(split_of(place.stem) or ALL, source)
            if first is not source and not filecmp.cmp(first.place, place, shallow=False):
                raise _several(folder, [first.place, place], "coco:FILE@IMAGES")
    return _whole(splits)


def _several(folder: Path, places: Sequence[Path], text: str) -> DataError:
    names = ", ".join(str(place.relative_to(folder)) for place in places[:_SAMPLE])
    return DataError(
        f"{folder} has more than one description of its images: {names}", fix=f"keep one, or name it: {text}"
    )


def _images_of(place: Path, root: Path) -> Path | None:
    """Return the folder in which the images of a COCO file lie, None for another kind of JSON."""
    head = bounded_bytes(place, MAX_JSON_BYTES)
    if not all(word in head for word in (b'"images"', b'"annotations"', b'"categories"')):
        return None
    content = read_json(place)
    entries = [entry for entry in content["images"] if isinstance(entry, dict)][:_SAMPLE]
    names = [str(entry.get("file_name")).replace("\\", "/") for entry in entries]
    names = [name for name in names if not leaves_its_folder(name)]
    split = split_of(place.stem)
    words = SPLITS[split] if split else ()
    inner = [path for path in _visible(root) if path.is_dir() and split_of(path.name) == split]
    folders = [place.parent, root, root / "images", place.parent / "images", *inner]
    folders += [root / "images" / path.name for path in _visible(root / "images") if path.name in words]
    folders += [path for path in _visible(root / "images") if path.is_dir() and split_of(path.name) == split]
    counted = [(sum((folder / name).is_file() for name in names), folder) for folder in folders]
    best, chosen = max(counted, key=lambda pair: pair[0])
    if names and not best:
        raise DataError(f"none of the images of {place} is below {root}", fix="put the folder of images beside it")
    return chosen


def _voc(folder: Path) -> dict[str, Source]:
    annotations = annotation_folder(folder)
    if not annotations.is_dir() or not any(annotations.rglob(XML)):
        return {}
    lists = {path.stem: path.stem for path in (*(folder / "ImageSets").glob("*.txt"), *folder.glob("*.txt"))}
    lists |= {path.stem: path.stem for path in (folder / "ImageSets" / "Main").glob("*.txt")}
    splits = {
        split: next(Source("voc", folder, name) for name in names if name in lists)
        for split, names in SPLITS.items()
        if any(name in lists for name in names)
    }
    if "train" not in splits and "trainval" in lists:
        splits["train"] = Source("voc", folder, "trainval")
    return _whole(splits) if "train" in splits else {ALL: Source("voc", folder, ALL)}


def _yolo_names(folder: Path) -> dict[str, Source]:
    """Return the images beside which, or in whose folder labels, lie YOLO's text files, named by a list of names."""
    places = (place / name for place in (folder, folder / "labels") for name in NAME_FILES)
    place = next((path for path in places if path.is_file()), None)
    if place is None or not any(_labels(folder)):
        return {}
    return {ALL: Source("yolo", place, ALL)}


def _labels(folder: Path) -> Iterator[Path]:
    for place in (folder, folder / "labels"):
        yield from (path for path in place.rglob("*.txt") if path.name not in NAME_FILES)


def _split_folders(folder: Path) -> Layout | None:
    """Return the layout of folders train, valid and test that each hold one, as Roboflow writes them."""
    parts = {split: path for path in _visible(folder) if path.is_dir() and (split := split_of(path.name))}
    if "train" not in parts:
        return None
    found = {split: _layout(path) for split, path in parts.items()}
    known = {split: layout for split, layout in found.items() if layout and len(layout.splits) == 1}
    if "train" not in known:
        return None
    name = f"{known['train'].name} in folders {', '.join(path.name for path in parts.values())}"
    splits = {split: next(iter(layout.splits.values())) for split, layout in known.items()}
    return Layout(name, folder, splits, tuple(text for layout in known.values() for text in layout.unread))


def _whole(splits: dict[str, Source]) -> dict[str, Source]:
    """Return the splits; a single one that is not called train, or train alone, is all there is."""
    if len(splits) > 1 and not splits.keys() & {"train", ALL}:
        raise DataError(f"the data have the splits {', '.join(splits)} and none for training", fix="call one train")
    if splits and ("train" not in splits or set(splits) == {"train"}):
        first = splits.get(ALL) or splits.get("train") or next(iter(splits.values()))
        return {ALL: first}
    return {split: source for split, source in splits.items() if split != ALL}


def _visible(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX")))


def _seen(folder: Path) -> str:
    """Return what a folder holds, in a few words."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    images = sum(path.suffix.lower() in SUFFIXES for path in paths)
    texts = {suffix: sum(path.suffix.lower() == suffix for path in paths) for suffix in (".xml", ".txt", ".json")}
    labels = ", ".join(f"{count} {suffix}" for suffix, count in texts.items() if count) or "no labels"
    hint = "; YOLO labels need their classes' names in classes.txt" if texts[".txt"] and not texts[".xml"] else ""
    return f"{images} images, {labels}{hint}"
