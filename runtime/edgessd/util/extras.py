"""Optional libraries: their import, and the command that installs what is missing.

The name ``edgessd`` is nobody's on PyPI, so no command may name it: a clone is installed again by its path, and where
there is none the libraries are named themselves.
"""

import json
import re
import shlex
import shutil
import sys
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from edgessd.errors import MissingExtra

# Extras of libraries that whole modules of the training and export packages import.
BROUGHT_BY = {"torch": "train,export", "lightning_fabric": "train", "tflite": "train", "onnx": "export"}
_OWN = re.compile(r"edgessd\[([\w,-]+)\]")


def missing_extra(module: str, extra: str) -> MissingExtra:
    """Return the error that says how to install a module."""
    return MissingExtra(f"this needs {module}, which is not installed", command=install_command(extra))


def need(module: str, extra: str | None = None) -> Any:
    """Return the imported module. Raises MissingExtra with the command that installs it.

    extra: ours that brings the module; None for a library that no extra of ours brings.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if extra is None:
            cause = f"this needs {module}, which is not installed"
            raise MissingExtra(cause, command=pip_install(module)) from error
        raise missing_extra(error.name or module, extra) from error


def install_command(extras: str) -> str:
    """Return the command that installs the libraries of extras such as ``cpu`` or ``train,export``."""
    place = installed_from()
    if place is None:
        return pip_install(*libraries(extras))
    path, editable = place
    return pip_install(*(["-e"] if editable else []), f"{path}[{extras}]")


def pip_install(*arguments: str) -> str:
    """Return ``pip install`` with its arguments quoted; the pip of this interpreter, also outside its environment."""
    own = Path(sys.executable).with_name("pip")
    pip = "pip" if shutil.which("pip") == str(own) else f"{shlex.quote(sys.executable)} -m pip"
    return f"{pip} install {' '.join(map(shlex.quote, arguments))}"


@cache
def installed_from() -> tuple[Path, bool] | None:
    """Return the clone or wheel that this package was installed from, if it is still there, and whether it runs there.

    pip notes the place in ``direct_url.json`` (PEP 610).
    """
    clone = Path(__file__).resolve().parents[3]
    if (clone / "pyproject.toml").is_file():
        return clone, True
    try:
        noted = json.loads(distribution("edgessd").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return None
    url = urlsplit(str(noted.get("url", "")))
    place = Path(unquote(url.path))
    whole = place.suffix == ".whl" if place.is_file() else (place / "pyproject.toml").is_file()
    return (place, False) if url.scheme == "file" and whole else None


def version_of(name: str) -> str | None:
    """Return the version of an installed distribution, None where it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def libraries(extras: str) -> list[str]:
    """Return the requirements of extras, those of ours that an extra names among them."""
    try:
        required = distribution("edgessd").requires or []
    except PackageNotFoundError:
        required = []
    found: dict[str, None] = {}
    for extra in extras.split(","):
        for line in required:
            requirement, _, marker = line.partition(";")
            if not re.search(rf"extra == ['\"]{re.escape(extra)}['\"]", marker):
                continue
            own = _OWN.fullmatch(requirement.strip())
            found |= dict.fromkeys(libraries(own[1]) if own else [requirement.strip()])
    return list(found)
