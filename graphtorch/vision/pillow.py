"""Pillow, imported when an image is first made or read: an installation without it does everything else."""

from __future__ import annotations

import importlib
import sys
from typing import Any


def pillow(module: str = "Image", wanted_by: str = "this") -> Any:
    """The module PIL.``module``. ImportError, which says what to install, where Pillow is missing."""
    try:
        return importlib.import_module(f"PIL.{module}")
    except ImportError as missing:
        raise ImportError(f"{wanted_by} needs Pillow: pip install 'graphtorch[vision]'") from missing


def is_pil(img: Any) -> bool:
    """Whether this is an image of Pillow. Imports nothing: without Pillow there is none."""
    loaded = sys.modules.get("PIL.Image")
    return loaded is not None and isinstance(img, loaded.Image)
