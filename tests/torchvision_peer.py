"""torchvision as a peer to compare with; its Linux wheels do not import beside a CPU build of torch."""

from contextlib import suppress
from types import ModuleType

import pytest


def torchvision_detection() -> ModuleType:
    """Return ``torchvision.models.detection``, or skip the test with the reason."""
    with suppress(ImportError):
        import tvshim  # noqa: F401  stands in for the CUDA libraries where torch is the CPU build
    try:
        from torchvision.models import detection
    # torchvision raises RuntimeError for a missing operator, ImportError or OSError for missing libraries
    except (ImportError, RuntimeError, OSError) as error:
        pytest.skip(f"torchvision does not import beside this torch: {str(error)[:100]}")
    return detection
