"""Import of optional libraries, with the name of the extra that brings them."""

from importlib import import_module
from typing import Any

from edgessd.errors import MissingExtra

# Extras of libraries that whole modules of the training and export packages import.
BROUGHT_BY = {"torch": "train,export", "lightning_fabric": "train", "tflite": "train", "onnx": "export"}


def missing_extra(module: str, extra: str) -> MissingExtra:
    """Return the error that says how to install a module."""
    return MissingExtra(f"this needs {module}, which is not installed", command=f"pip install 'edgessd[{extra}]'")


def need(module: str, extra: str) -> Any:
    """Return the imported module.

    Raises MissingExtra when it is not installed, naming ``pip install 'edgessd[extra]'``.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise missing_extra(error.name or module, extra) from error
