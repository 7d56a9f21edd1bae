"""PASCAL VOC: one XML file an image, splits as lists of image ids (VOC devkit, sec. "Image sets")."""

import re
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

from edgessd.errors import DataError
from edgessd.util.extras import need
from edgessd_training.data.faults import (
    BROKEN_ANNOTATION,
    LISTED_TWICE,
    MISSING_ANNOTATION,
    NOT_READ,
    UNSAFE_PATH,
    Fault,
)
from edgessd_training.data.images import SUFFIXES
from edgessd_training.data.raw import RawBox, RawImage, RawSet, flag, number, quoted, side, unclear
from edgessd_training.data.source import Source, bounded_bytes, leaves_its_folder, local_name, spellings
from edgessd_training.data.text import decode_text

MAX_XML_BYTES = 16 << 20
MAX_LIST_BYTES = 256 << 20
ALL, XML = "all", "*.[xX][mM][lL]"
EDGES = ("xmin", "ymin", "xmax", "ymax")
# The lists of one class ("cat_val.txt") have 1, 0 or -1 behind every id.
_DECLARED = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_DEPTH = re.compile(r"(?:<[A-Za-z][^/<>]*>\s*){64}")  # elements opened one in the other
_FLAGGED = re.compile(r"^(.*\S)\s+(?:-1|0|1)$")


def parse_voc(source: Source) -> RawSet:
    """Return one split as its files say. Raises DataError when the split does not exist."""
    root = source.place
    parsed = RawSet(labels=_labels_file(root))
    seen = set()
    names = split_ids(root, source.part)
    for name in names:
        if name in seen:
            parsed.faults.append(Fault(LISTED_TWICE, name, f"the split {source.part} lists it more than once"))
            continue
        seen.add(name)
        if leaves_its_folder(name):
            parsed.faults.append(Fault(UNSAFE_PATH, name, "an image id must not leave the data set's folder"))
            continue
        annotation = _annotation(root, name)
        try:
            parsed.images.append(_image(root, name, annotation))
        except FileNotFoundError:
            parsed.faults.append(
                Fault(
                    MISSING_ANNOTATION,
                    str(annotation),
                    "the split lists it, the file is not there; a line is an image id such as 000005",
                )
            )
        except DataError as error:
            parsed.faults.append(Fault(BROKEN_ANNOTATION, str(annotation), str(error)))
    if source.part == ALL and not _list(root, ALL):
        parsed.faults += _without_annotation(root, {image.path for image in parsed.images})
    return parsed


def _without_annotation(root: Path, known: Set[Path]) -> Iterator[Fault]:
    for path in sorted(image_folder(root).rglob("*")):
        if path.suffix.lower() in SUFFIXES and path not in known and not path.name.startswith(".") and path.is_file():
            yield Fault(NOT_READ, str(path), "an image without an annotation")


def split_ids(root: Path, split: str) -> list[str]:
    """Return the image ids of a split in its order; ``all`` is every annotation where no list has that name.

    Raises DataError naming the splits that exist.
    """
    annotations = annotation_folder(root)
    if leaves_its_folder(split):
        raise DataError(f"a split is a name such as train, got {split!r}")
    if path := _list(root, split):
        lines = decode_text(bounded_bytes(path, MAX_LIST_BYTES), f"the split {path}").splitlines()
        return [_id(line.strip(), root) for line in lines if line.strip()]
    if split == ALL and annotations.is_dir():
        found = (path.relative_to(annotations) for path in annotations.rglob(XML))
        return sorted(path.with_suffix("").as_posix() for path in found if not path.name.startswith("."))
    if annotations == root:
        raise DataError(f"{root} is a flat folder without lists of splits, got {split!r}", fix=f"give voc:{root}@all")
    known = sorted(path.stem for path in (root / "ImageSets" / "Main").glob("*.txt"))
    raise DataError(
        f"no split {split!r} in {root / 'ImageSets' / 'Main'}",
        fix=f"choose {', '.join([*known[:20], 'all'])} (every annotation)",
    )


def _list(root: Path, split: str) -> Path | None:
    places = (split_file(root, split), root / "ImageSets" / f"{split}.txt", root / f"{split}.txt")
    return next((path for path in places if path.is_file()), None)


def split_file(root: Path, split: str) -> Path:
    """Return where VOC keeps the list of a split."""
    return root / "ImageSets" / "Main" / f"{split}.txt"


def read_xml(path: Path) -> Any:
    """Return the root element of an annotation, entities refused. Raises DataError, FileNotFoundError."""
    elements = need("defusedxml.ElementTree", "eval")
    if not path.exists():
        raise FileNotFoundError(path)
    content = bounded_bytes(path, MAX_XML_BYTES)
    declared = _DECLARED.search(content[:200])
    text = decode_text(content, "it", declared[1].decode("ascii", "replace") if declared else None)
    if _DEPTH.search(text):
        raise DataError("its XML is nested too deeply for an annotation")
    try:
        # Decoded already: expat knows four encodings, and annotation tools write more.
        root = elements.fromstring(_DECLARATION.sub("", text, count=1).encode())
    except elements.ParseError as error:
        raise DataError(f"it is not whole XML ({error})") from error
    except (ValueError, LookupError, RecursionError) as error:  # what defusedxml forbids: entities, external references
        raise DataError(f"its XML is refused ({type(error).__name__})", fix="annotations need no entities") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]  # without its namespace
    return root


def annotation_folder(root: Path) -> Path:
    """Return where the XML files lie: in Annotations, or beside the images as LabelImg and Roboflow leave them."""
    folder = root / "Annotations"
    if not folder.is_dir() and any((root / "annotations").glob(XML)):
        return root / "annotations"
    return folder if folder.is_dir() or not any(root.glob(XML)) else root


def _annotation(root: Path, name: str) -> Path:
    """Return the XML file of an id, as the disk spells it."""
    folder = annotation_folder(root)
    places = [folder / f"{spelling}{suffix}" for suffix in (".xml", ".XML") for spelling in spellings(name)]
    return next((path for path in places if path.is_file()), places[0])


def image_folder(root: Path) -> Path:
    """Return where the images lie."""
    folder = root / "JPEGImages"
    if not folder.is_dir() and (root / "images").is_dir():
        return root / "images"
    return folder if folder.is_dir() or annotation_folder(root) != root else root


def _id(line: str, root: Path) -> str:
    """Return the image id of a list's line: all of it, without a class list's flag or a file suffix."""
    candidates = [line]
    if flagged := _FLAGGED.match(line):
        candidates.append(flagged[1])
    candidates += [candidate[: -len(Path(candidate).suffix)] for candidate in candidates if Path(candidate).suffix]
    if leaves_its_folder(line):
        return line
    existing = [candidate for candidate in candidates if _annotation(root, candidate).is_file()]
    return existing[0] if existing else line


def _labels_file(root: Path) -> tuple[str, ...] | None:
    path = root / "labels.txt"
    if not path.is_file():
        return None
    lines = decode_text(bounded_bytes(path, MAX_XML_BYTES), str(path)).splitlines()
    return tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))


def _image(root: Path, name: str, annotation: Path) -> RawImage:
    xml = read_xml(annotation)
    path = _image_path(root, name, (xml.findtext("filename") or "").strip())
    boxes = tuple(_box(element, index) for index, element in enumerate(_objects(xml)))
    height, width = side(xml.findtext("size/height")), side(xml.findtext("size/width"))
    file_name = path.relative_to(image_folder(root)).as_posix()
    return RawImage(name, file_name, path, height, width, boxes, annotation)


def _objects(xml: Any) -> list[Any]:
    """Return the objects of an annotation. Raises DataError for objects at another place, which would be lost."""
    objects: list[Any] = xml.findall("object")
    if xml.tag != "annotation" and not objects:
        raise DataError(f"its root is <{quoted(xml.tag)}>, VOC's is <annotation>", fix="export it as PASCAL VOC")
    known = {id(each) for one in objects for each in (one, *one.findall("bndbox"), *one.findall("part/bndbox"))}
    for element in xml.iter():
        if element.tag.lower() in ("object", "bndbox") and id(element) not in known:
            raise DataError(
                f"it has a <{element.tag}> outside annotation/object or annotation/object/bndbox",
                fix="export it as PASCAL VOC",
            )
    if any(len(one.findall("bndbox")) > 1 for one in objects):
        raise DataError("one of its objects has more than one bndbox", fix="make each an object")
    return objects


def _image_path(root: Path, name: str, filename: str) -> Path:
    """Return the image of an id: named like the annotation, or else as the annotation's <filename> says."""
    folder = image_folder(root)
    filename = local_name(filename, folder)
    named = folder / filename if filename and not leaves_its_folder(filename) else None
    endings = [spelling for suffix in SUFFIXES for spelling in (suffix, suffix.upper())]
    found = [path for name in spellings(name) for end in endings if (path := folder / f"{name}{end}").is_file()]
    if found:
        return named if named in found else found[0]
    if named and named.is_file():
        return named
    suffix = Path(filename).suffix
    return folder / f"{name}{suffix if suffix.lower() in SUFFIXES else '.jpg'}"


def _box(element: Any, index: int) -> RawBox:
    """Return one object; VOC's edges count pixels from 1 and include the last one."""
    texts = [(element.findtext(f"bndbox/{edge}") or "").strip() for edge in EDGES]
    left, top, right, bottom = (number(text) for text in texts)
    return RawBox(
        label=(element.findtext("name") or "").strip(),
        box_xyxy=(left - 1, top - 1, right, bottom),
        drawn_wh=(right - left, bottom - top),
        text=" ".join(f"{edge} {quoted(text) or 'missing'}" for edge, text in zip(EDGES, texts, strict=True)),
        index=index,
        difficult=bool(flag(element.findtext("difficult"))),
        unclear=unclear(difficult=element.findtext("difficult")),
    )
