"""The shipped models: ``shipped()`` gives every name and its file."""

from edgessd.model.shipped import model_path, shipped

__all__ = ["model_path", "shipped"]
