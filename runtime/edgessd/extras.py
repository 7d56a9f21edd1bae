"""Import of optional libraries, with the name of the extra that brings them."""

from importlib import import_module
from typing import Any

from edgessd.errors import MissingExtra


def need(module: str, extra: str) -> Any:
    """Return the imported module.

    Raises MissingExtra when it is not installed, naming ``pip install 'edgessd[extra]'``.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        raise MissingExtra(f"this needs {missing}, which is not installed: pip install 'edgessd[{extra}]'") from error
