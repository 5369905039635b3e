"""Every error code: the source of docs/errors.md and of ``graphtorch explain``. `import graphtorch` leaves it alone.

A code stands in the file of its first two digits: GT118 in gt11.py. A new file is entered in `_FILES`, and codes that
are a kind of their own within their hundred get a heading of their own in `HEADINGS`: "GT32" for GT320 to GT329.
"""

from __future__ import annotations

from graphtorch.ir.codes import (
    gt10,
    gt11,
    gt20,
    gt30,
    gt32,
    gt33,
    gt34,
    gt40,
    gt50,
    gt51,
    gt60,
    gt61,
    gt70,
    gt80,
    gt81,
    gt82,
    gt90,
    gt91,
    gt92,
)  # fmt: skip
from graphtorch.ir.codes.record import Code, Severity

_FILES = (
    gt10,
    gt11,
    gt20,
    gt30,
    gt32,
    gt33,
    gt34,
    gt40,
    gt50,
    gt51,
    gt60,
    gt61,
    gt70,
    gt80,
    gt81,
    gt82,
    gt90,
    gt91,
    gt92,
)

#: "GT102" -> what is known of it, in the order of the codes
CODES: dict[str, Code] = {code.code: code for file in _FILES for code in file.CODES}

#: how codes begin -> (their classes, what they are about); the longest beginning counts
HEADINGS: dict[str, tuple[str, str]] = {
    "GT1": ("ShapeError (also a ValueError and a RuntimeError)", "shapes that do not fit"),
    "GT2": ("DTypeError (also a TypeError and a RuntimeError)", "element types that do not fit"),
    "GT3": (
        "ArgumentError (a ValueError), ArgumentTypeError (also a TypeError), IndexRangeError (an IndexError)",
        "arguments that are not allowed",
    ),
    "GT32": ("ContractError (a ValueError and a RuntimeError)", "losses that are hardly what was meant"),
    "GT33": ("ContractError (a ValueError and a RuntimeError)", "training that does not do what was meant"),
    "GT34": (
        "ContractError (a ValueError and a RuntimeError)",
        "numbers that become infinite, wrap or lose what counts",
    ),
    "GT4": ("DeviceError (a RuntimeError)", "devices"),
    "GT5": ("AutogradError (a RuntimeError)", "gradients that cannot be had"),
    "GT6": ("TraceError (a RuntimeError)", "user code that cannot become a static graph"),
    "GT7": (
        "StateError (a RuntimeError and a KeyError), MissingAttributeError (also an AttributeError)",
        "state of modules and optimizers",
    ),
    "GT8": ("IRError", "a malformed graph, kernel or pipeline (a mistake in a pass or in an edited file)"),
    "GT9": ("LoadError (a RuntimeError), SaveError (a TypeError)", "files"),
    "GT91": ("DownloadError (an OSError), HubError (a RuntimeError)", "downloads and repositories of models"),
    "GT92": ("MissingFilesError (a RuntimeError and a FileNotFoundError)", "data sets"),
}


def headed() -> dict[str, list[Code]]:
    """The keys of `HEADINGS`, each with its codes."""
    found: dict[str, list[Code]] = {first: [] for first in HEADINGS}
    for code in CODES.values():
        found[max(filter(code.code.startswith, HEADINGS), key=len)].append(code)
    return found


__all__ = ["CODES", "HEADINGS", "Code", "Severity", "headed"]
